"""The protocols as models that Spin explores completely.

==============  =======================================================================
claims.pml      one list: claims, settlements, leases, faults; what must always hold
spin            builds a verifier, runs it within limits, reads its figures and trails
==============  =======================================================================
"""
