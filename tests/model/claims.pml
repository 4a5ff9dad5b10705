/*
 * The protocol of one list: claims, settlements and leases, between two workers, one Redis and its replica.
 *
 * What is here is what the Lua scripts acquire, claim, settle, renew, release, claimed_fields and replay_letter do
 * (forwarder/queue/lua), and what their clients make of the replies (forwarder/queue/lease.py and claims.py,
 * forwarder/worker/ownership.py, forwarder/pipeline/intake.py and settlement.py). spin.py runs it.
 *
 * Each fault has a bound. Within the bounds everything is explored: each order of each step.
 */
#ifndef EVENTS
#define EVENTS 2 /* numbered from 1, in the order in which they are pushed */
#endif
#ifndef USERS
#define USERS 1 /* events 1, 3 … belong to the first of two users, the others to the second */
#endif
#ifndef WAITING
#define WAITING EVENTS /* events that wait at first; the producer pushes the others */
#endif
#ifndef MOST
#define MOST 1 /* events that one claim takes */
#endif
#ifndef EXPIRIES
#define EXPIRIES 0 /* a lease ends although its holder lives: the process or Redis hangs */
#endif
#ifndef CRASHES
#define CRASHES 0 /* a worker is killed, or stopped before it has settled what was accepted */
#endif
#ifndef FAILOVERS
#define FAILOVERS 0 /* at most 1: the replica, which has not heard of everything, becomes the master */
#endif
#ifndef LOST_REPLIES
#define LOST_REPLIES 0 /* a command is executed, and its reply is lost */
#endif
#ifndef LATE
#define LATE 0 /* a copy of a command is executed later, at any time; at most 2 */
#endif
#ifndef LOST_ANSWERS
#define LOST_ANSWERS 0 /* a POST is accepted, and its answer is lost */
#endif
#ifndef REFUSALS
#define REFUSALS 0 /* the API refuses a POST for good */
#endif
#ifndef REPLAYS
#define REPLAYS 0 /* a person replays a dead letter */
#endif
#ifndef DELETES
#define DELETES 0 /* a person deletes a dead letter */
#endif
#ifndef STOPS
#define STOPS 0 /* a worker stops in order, or gives the list to another worker */
#endif
#ifndef TICKS
#define TICKS 0 /* thirds of a lease that pass. Then the lease of a living worker ends by time alone: see extend() */
#endif
#ifndef HALTS
#define HALTS 0 /* a halt or a pause, which a person ends */
#endif

#define N (EVENTS + 1)
#define SLOTS (EVENTS + MOST) /* claims in the memory of a worker, which claims only while it has room */
#define WORKERS 2
/* Sets of events or slots are bits of a byte. */
#define user(e) ((e) % USERS)
#define bit_of(e) (1 << (e))
#define has(set, e) (((set) >> (e)) & 1)

/* Phases of a worker */
#define IDLE 0
#define ASKING 1  /* the reply of acquire was lost: it asks again */
#define ADOPTING 2
#define OWNING 3
#define CLOSING 4 /* settles what is decided, then releases the lease */

/* Commands, and their replies */
#define ACQUIRE 1
#define CLAIM 2
#define SETTLE 3
#define RELEASE 4
#define REPLAY 5
#define LOST 1
#define ROLLED_BACK 2
#define AGAIN 3
#define DONE 4

typedef Redis {
	byte list[N];   /* list[0] is the oldest event that waits; 0: none */
	byte number[N]; /* the claimed hash: number[e] and stamp[e] are the field that holds event e; 0: it is not claimed */
	byte stamp[N];
	byte letter[N]; /* the ID of the dead letter of event e; 0: there is none */
	byte lease;     /* the token that holds it; 0: free */
	byte sequence;
	byte settlement;
	byte accepted;
	byte dead_lettered;
	byte replayed;
	byte deleted;
	byte pushed     /* not a key of Redis: what the producer has counted; lost with what is lost in a failover */
}
Redis r;            /* the master */
Redis replica;      /* what the next master knows: all zeros before `replicate` and after the failover */

typedef Worker {
	byte phase;
	byte token;
	byte asked;     /* while it asks: the set of the tokens with which it has asked, whose replies were lost */
	byte expected;  /* the sequence number that the next claim expects */
	byte settlement;
	/* The claims that it has in memory, in slots 1, 2 … in the order in which they came. */
	byte event[SLOTS + 1];
	byte number[SLOTS + 1];
	byte stamp[SLOTS + 1];
	byte undecided; /* a set of slots; each slot in use is in one of these three */
	byte accepted;
	byte refused;
	byte sent;      /* in a settlement that has no reply yet, so it must not change */
#if TICKS
	byte age;       /* of its lease, as far as it knows, in ticks; at most 2 */
#endif
	bit hung        /* its lease was taken away by a fault, or Redis went back in time, and it does not know */
}
Worker w[WORKERS];

typedef Late {
	byte command;
	byte token;
	byte argument;  /* of acquire: the tokens asked with; of claim: the expected number; of settle: its number; of
	                   replay: the letter's event */
	byte settlement; /* of claim: the settlement that it expects at least */
	byte accepted;  /* of settle: sets of slots */
	byte refused;
	byte number[SLOTS + 1];
	byte stamp[SLOTS + 1]
}
Late late[2];

/* Sets of events */
byte api;           /* accepted by the API at least once */
byte refused;       /* refused at least once: the order of such an event is not promised (guarantees, 2) */
byte cause;         /* may be accepted once more: a fault has caused it (guarantees, 3) */
byte gone;          /* deleted by a person, or lost in a failover before it was replicated */

bit replicated;     /* there is a replica that can become the master */
bit halted;
#if TICKS
byte age; /* of the lease in Redis, in ticks; it ends when it would be 3 */
byte ticks = TICKS;
#endif
byte pushed_ever = WAITING;
/* How many faults are left: of each kind, or of all kinds together. */
#ifdef FAULTS
byte faults = FAULTS;
#define expiries faults
#define crashes faults
#define failovers faults
#define lost_replies faults
#define copies faults
#define lost_answers faults
#define refusals faults
#define replays faults
#define deletes faults
#define stops faults
#define halts faults
#else
byte expiries = EXPIRIES, crashes = CRASHES, failovers = FAILOVERS, lost_replies = LOST_REPLIES, copies = LATE, lost_answers = LOST_ANSWERS, refusals = REFUSALS, replays = REPLAYS, deletes = DELETES, stops = STOPS, halts = HALTS;
#endif

/* Scratch variables of one step: no part of the state, because each step sets them before it reads them. */
hidden byte reply, who, i, j, k, n, e, f, count, before, stamp, got, number;
hidden int used;
hidden byte c_accepted, c_refused, c_number[SLOTS + 1], c_stamp[SLOTS + 1];
hidden byte alone, no_loss, in_order, no_duplicate, counted, all_decided, some, comma;

/* -------------------------------------------------------------------------------------------------- new names */

/* A stamp is compared with other stamps for equality alone, and so is a token. So any unused value is as good as any
 * other: the smallest one makes equal what differs in names alone. A value is used while anything refers to it. */
inline note(value) { used = used | (1 << (value)) }

inline smallest_unused(result)
{
	result = 1;
	do
	:: (used >> result) & 1 -> result++
	:: else -> break
	od
}

inline new_stamp()
{
#ifdef NO_STAMP
	stamp = 1;
#else
	used = 1;
	for (i : 1 .. EVENTS) {
		note(r.stamp[i]); note(replica.stamp[i]);
		note(r.letter[i]); note(replica.letter[i])
	}
	for (i : 1 .. SLOTS) {
		note(w[0].stamp[i]); note(w[1].stamp[i]); note(late[0].stamp[i]); note(late[1].stamp[i])
	}
	smallest_unused(stamp);
#endif
}

inline new_token(me)
{
#ifdef SAME_TOKEN
	w[me].token = me + 1;
#else
	used = 1;
	note(r.lease); note(replica.lease);
	note(w[0].token); note(w[1].token);
	used = used | w[0].asked | w[1].asked;
	for (i : 0 .. 1) { note(late[i].token); if :: late[i].command == ACQUIRE -> used = used | late[i].argument :: else fi };
	smallest_unused(w[me].token);
#endif
}

/* -------------------------------------------------------------------------------------------------- the trace */

inline print_actor() { if :: who == 3 -> printf("> late ") :: else -> printf("> w%d ", who) fi }

inline print_comma() { if :: comma -> printf(",") :: else -> comma = 1 fi }

inline print_end() { if :: !comma -> printf("-") :: else fi }

/* The fields of the claimed hash with numbers above `low`, by number. */
inline print_fields(low)
{
	comma = 0;
	for (n : low + 1 .. r.sequence) {
		for (i : 1 .. EVENTS) {
			if :: r.number[i] == n -> print_comma(); printf("%d-%d", n, r.stamp[i]) :: else fi
		}
	}
	print_end()
}

inline print_events(low)
{
	comma = 0;
	for (n : low + 1 .. r.sequence) {
		for (i : 1 .. EVENTS) {
			if :: r.number[i] == n -> print_comma(); printf("%d", i) :: else fi
		}
	}
	print_end()
}

inline print_settled(set)
{
	comma = 0;
	for (i : 1 .. SLOTS) {
		if :: has(set, i) -> print_comma(); printf("%d-%d", c_number[i], c_stamp[i]) :: else fi
	}
	print_end()
}

inline print_refusal() { if :: reply == LOST -> printf("lost\n") :: reply == ROLLED_BACK -> printf("rolled_back\n") :: else fi }

#ifdef WALKS /* this many simulations, one after the other, and a line with the state after each command */
#ifndef PATIENCE
#define PATIENCE 0 /* steps in which no fault happens */
#endif
byte patience = PATIENCE;
#define show_state() print_state()
#else
#define show_state() skip
#endif

inline print_state()
{
	comma = 0; printf("= waiting=");
	for (i : 0 .. EVENTS - 1) { if :: r.list[i] -> print_comma(); printf("%d", r.list[i]) :: else fi }
	print_end(); printf(" fields="); print_fields(0); printf(" events="); print_events(0);
	comma = 0; printf(" letters=");
	for (i : 1 .. EVENTS) { if :: r.letter[i] -> print_comma(); printf("%d", i) :: else fi }
	print_end();
	printf(" sequence=%d settlement=%d accepted=%d", r.sequence, r.settlement, r.accepted);
	printf(" dead_lettered=%d replayed=%d deleted=%d holder=%d\n", r.dead_lettered, r.replayed, r.deleted, r.lease)
}

/* -------------------------------------------------------------------------------------------------- the judge */

/* After each step that changes Redis: each event is somewhere, and the sums of `forwarder audit` hold. */
inline judge()
{
	no_loss = 1;
	count = 0; k = 0; f = 0;
	for (i : 1 .. EVENTS) {
		some = 0;
		for (j : 0 .. EVENTS - 1) { if :: r.list[j] == i -> some = 1; f++ :: else fi }
		if :: r.number[i] -> some = 1; count++ :: else fi;
		if :: r.letter[i] -> some = 1; k++ :: else fi;
		if :: i <= pushed_ever && !some && !has(api, i) && !has(gone, i) -> no_loss = 0 :: else fi
	}
	assert(no_loss);
	counted = (r.sequence == r.accepted + r.dead_lettered + count) &&
		(k + r.replayed + r.deleted == r.dead_lettered) && (r.pushed + r.replayed == f + r.sequence);
	assert(counted);
	show_state();
	/* What can no longer matter is no longer known. */
	refused = refused & ~api; gone = gone & ~api;
	used = 0;
	for (i : 0 .. EVENTS - 1) { note(r.list[i]); note(replica.list[i]) }
	for (i : 1 .. EVENTS) {
		if :: r.number[i] || r.letter[i] || replica.number[i] || replica.letter[i] -> note(i) :: else fi
	}
	for (i : 1 .. SLOTS) { note(w[0].event[i]); note(w[1].event[i]) }
	cause = cause & used
}

#ifdef NO_FENCE_CLAIM
#define FENCELESS
#endif
#ifdef NO_FENCE_SETTLE
#define FENCELESS
#endif

/* A late command under a token that nobody can have again will be refused, whenever it comes: it is dropped. Moves the
 * other one to the front, as their order says nothing. */
inline drop_late()
{
#if LATE
	for (i : 0 .. 1) {
#ifndef FENCELESS
		if
		:: late[i].command == CLAIM || late[i].command == SETTLE || late[i].command == RELEASE ->
			if
			:: r.lease != late[i].token && replica.lease != late[i].token && w[0].token != late[i].token &&
				w[1].token != late[i].token && !(late[1 - i].command == ACQUIRE && late[1 - i].token == late[i].token) ->
				clear_late(i)
			:: else
			fi
		:: else
		fi
#else
		skip
#endif
	};
	if
	:: !late[0].command && late[1].command ->
		late[0].command = late[1].command; late[0].token = late[1].token; late[0].argument = late[1].argument;
		late[0].settlement = late[1].settlement; late[0].accepted = late[1].accepted; late[0].refused = late[1].refused;
		for (i : 1 .. SLOTS) { late[0].number[i] = late[1].number[i]; late[0].stamp[i] = late[1].stamp[i] };
		clear_late(1)
	:: else
	fi
#else
	skip
#endif
}

inline clear_late(x)
{
	late[x].command = 0; late[x].token = 0; late[x].argument = 0; late[x].settlement = 0; late[x].accepted = 0;
	late[x].refused = 0;
	for (n : 1 .. SLOTS) { late[x].number[n] = 0; late[x].stamp[n] = 0 }
}

#define holds(me) (r.lease == w[me].token)

/* The API accepts event x from worker me. */
inline accept(me, x)
{
#if TICKS
	alone = holds(me); assert(alone); /* without a fault, nobody but the holder of the lease sends */
#endif
	in_order = 1;
	if
	:: !has(api, x) ->
		for (i : 1 .. x - 1) {
			if :: user(i) == user(x) && !has(api | refused | gone, i) -> in_order = 0 :: else fi
		}
	:: else
	fi;
	assert(in_order);
	no_duplicate = !has(api, x) || has(cause, x) || w[me].hung;
	assert(no_duplicate);
	/* A cause explains one duplicate. */
	if :: has(api, x) -> cause = cause & ~bit_of(x) :: else fi;
	if :: w[me].hung -> cause = cause | bit_of(x) :: else fi;
	api = api | bit_of(x)
}

/* What this worker has accepted and not settled may be sent again by the next owner. */
inline excuse(me)
{
	for (i : 1 .. SLOTS) { if :: has(w[me].accepted, i) -> cause = cause | bit_of(w[me].event[i]) :: else fi }
}

/* -------------------------------------------------------------------------------------------------- the scripts */

/* A lease lasts three ticks from the command that extends it. Its owner counts from when it sent the command that was
 * answered, and starts POSTs in the first two ticks: one that starts then ends before the lease does (gate.py). A
 * command is sent, executed and answered between two ticks; one whose reply is lost extends the lease in Redis alone. */
#if TICKS
#define extend() age = 0
#define answered(me) w[me].age = 0
#define may_post(me) (w[me].age < 2)
#else
#define extend() skip
#define answered(me) skip
#define may_post(me) true
#endif
#ifdef NO_PEXPIRE_AGAIN
#define extend_again() skip
#else
#define extend_again() extend()
#endif
#ifdef NO_PEXPIRE_REPEATED
#define extend_repeated() skip
#else
#define extend_repeated() extend()
#endif
#ifdef NO_PEXPIRE_SCAN
#define extend_scan() skip
#else
#define extend_scan() extend()
#endif

inline print_acquire(token_, asked_)
{
	printf("acquire token=%d over=", token_);
	comma = 0;
	for (i : 1 .. 7) { if :: has(asked_, i) -> print_comma(); printf("%d", i) :: else fi };
	print_end()
}

/* Each time that a worker asks again, it draws another token, and may take the lease from those it has asked with. So
 * no copy of the command, however late, can give it back a lease that it has lost. */
inline do_acquire(token_, asked_)
{
	print_actor(); print_acquire(token_, asked_); printf(" | ");
	if
	:: r.lease != 0 && r.lease != token_ && !has(asked_, r.lease) -> reply = LOST; printf("busy\n")
	:: else -> reply = DONE; r.lease = token_; extend();
		count = 0;
		for (i : 1 .. EVENTS) { if :: r.number[i] -> count++ :: else fi }
		printf("acquired sequence=%d settlement=%d claimed=%d\n", r.sequence, r.settlement, count)
	fi;
	show_state()
}

#ifdef NO_FENCE_CLAIM
#define fenced_claim(t) false
#else
#define fenced_claim(t) (r.lease != t)
#endif
#ifdef NO_FENCE_SETTLE
#define fenced_settle(t) false
#else
#define fenced_settle(t) (r.lease != t)
#endif
#ifdef NO_BEFORE
#define is_before(x) false
#else
#define is_before(x) (r.sequence < x)
#endif
#ifdef NO_SETTLEMENT_IN_CLAIM
#define is_unsettled(x) false
#else
#define is_unsettled(x) (r.settlement < x)
#endif
#ifdef NO_AGAIN
#define is_again(x) false
#else
#define is_again(x) (r.sequence > x)
#endif

/* Sets reply, before, stamp, and got: the set of claimed events. */
inline do_claim(token_, expected_, settlement_)
{
	before = r.sequence; got = 0;
	print_actor(); printf("claim token=%d expected=%d settlement=%d most=%d | ", token_, expected_, settlement_, MOST);
	if
	:: fenced_claim(token_) -> reply = LOST
	:: !fenced_claim(token_) && (is_before(expected_) || is_unsettled(settlement_)) -> reply = ROLLED_BACK
	:: !fenced_claim(token_) && is_again(expected_) -> reply = AGAIN; extend_again(); printf("again sequence=%d\n", before)
	:: else -> reply = DONE; extend();
		new_stamp();
		count = 0;
		do
		:: count < MOST && r.list[0] ->
			e = r.list[0];
			for (i : 1 .. EVENTS - 1) { r.list[i - 1] = r.list[i] }
			r.list[EVENTS - 1] = 0;
			r.sequence++; count++;
			for (i : 1 .. EVENTS) { /* HSET overwrites */
				if :: r.number[i] == r.sequence && r.stamp[i] == stamp -> r.number[i] = 0; r.stamp[i] = 0 :: else fi
			}
			r.number[e] = r.sequence; r.stamp[e] = stamp;
			got = got | bit_of(e)
		:: else -> break
		od;
		if :: !got -> stamp = 0 :: else fi;
		count = 0;
		for (i : 0 .. EVENTS - 1) { if :: r.list[i] -> count++ :: else fi }
		printf("claimed before=%d stamp=%d events=", before, stamp);
		print_events(before);
		printf(" waiting=%d\n", count)
	fi;
	print_refusal();
	judge()
}

#ifdef NO_REPEAT
#define is_repeated(x) false
#else
#define is_repeated(x) (r.settlement == x)
#endif
#ifdef NO_NEXT
#define is_next(x) true
#else
#define is_next(x) (r.settlement + 1 == x)
#endif

/* The settlement is in c_accepted, c_refused, c_number and c_stamp. */
inline do_settle(token_, number_)
{
	print_actor(); printf("settle token=%d number=%d accepted=", token_, number_);
	print_settled(c_accepted); printf(" letters="); print_settled(c_refused);
	printf(" | ");
	some = 1; /* all fields exist */
	for (i : 1 .. SLOTS) {
		if
		:: has(c_accepted | c_refused, i) ->
			f = 0;
			for (j : 1 .. EVENTS) { if :: r.number[j] == c_number[i] && r.stamp[j] == c_stamp[i] -> f = j :: else fi };
			if :: f == 0 -> some = 0 :: else fi
		:: else
		fi
	}
#ifdef NO_EXISTS
	some = 1;
#endif
	if
	:: fenced_settle(token_) -> reply = LOST
	:: !fenced_settle(token_) && is_repeated(number_) -> reply = DONE; extend_repeated()
	:: !fenced_settle(token_) && !is_repeated(number_) && (!is_next(number_) || !some) -> reply = ROLLED_BACK
	:: else -> reply = DONE; extend();
		for (k : 1 .. SLOTS) {
			if
			:: has(c_accepted | c_refused, k) ->
				f = 0;
				for (j : 1 .. EVENTS) { if :: r.number[j] == c_number[k] && r.stamp[j] == c_stamp[k] -> f = j :: else fi };
				if
				:: has(c_refused, k) -> r.dead_lettered++;
					if :: f -> new_letter(f) :: else fi
				:: else -> r.accepted++
				fi;
				if :: f -> r.number[f] = 0; r.stamp[f] = 0 :: else fi
			:: else
			fi
		}
		r.settlement = number_
	fi;
	if :: reply == DONE -> printf("settled\n") :: else fi;
	print_refusal();
	judge()
}

/* The ID of a letter is compared for equality alone, by a replay that comes late; without one, any ID will do. */
inline new_letter(x)
{
#if LATE && REPLAYS
	used = 1;
	for (i : 1 .. EVENTS) { note(r.letter[i]); note(replica.letter[i]) };
	note(late[0].stamp[1]); note(late[1].stamp[1]);
	smallest_unused(n);
	r.letter[x] = n;
#else
	r.letter[x] = 1;
#endif
}

inline do_release(token_)
{
	print_actor(); printf("release token=%d | ", token_);
	if
	:: r.lease == token_ -> r.lease = 0; printf("released\n")
	:: else -> printf("lost\n")
	fi;
	show_state()
}

/* -------------------------------------------------------------------------------------------------- a worker */

inline forget(me)
{
	w[me].undecided = 0; w[me].accepted = 0; w[me].refused = 0; w[me].sent = 0;
	for (i : 1 .. SLOTS) { w[me].event[i] = 0; w[me].number[i] = 0; w[me].stamp[i] = 0 }
}

/* Nothing that an idle worker knew is read again, so all of it is set to 0. */
inline be_idle(me)
{
	forget(me);
#if TICKS
	w[me].age = 0;
#endif
	w[me].phase = IDLE; w[me].token = 0; w[me].asked = 0; w[me].expected = 0; w[me].settlement = 0; w[me].hung = 0;
	drop_late()
}

/* The lease is lost, or Redis went back in time: everything in memory is forgotten, and the lease released. Here it is
 * not released but ends, which the lease of a worker that is idle may do at any time, also at once. */
inline end_ownership(me) { be_idle(me) }

#define in_memory(me) (w[me].undecided | w[me].accepted | w[me].refused)
#define decided(me) (w[me].accepted | w[me].refused)

/* An event may be here twice: a worker that hangs adopts what the next owner has just claimed, Redis goes back in time,
 * and it claims the event itself. One of the two claims no longer exists then. */
inline remember(me, x)
{
	n = 1;
	do
	:: n <= SLOTS && w[me].event[n] -> n++
	:: else -> break
	od;
	assert(n <= SLOTS); /* the bound of the model, no promise of the protocol */
	w[me].event[n] = x; w[me].number[n] = r.number[x]; w[me].stamp[n] = r.stamp[x];
	w[me].undecided = w[me].undecided | bit_of(n)
}

/* Remembers the events with numbers above `low` up to `high`, sorted by number. */
inline remember_all(me, low, high)
{
	for (k : low + 1 .. high) {
		for (j : 1 .. EVENTS) { if :: r.number[j] == k -> remember(me, j) :: else fi }
	}
}

/* Drops the slots in `set`, and moves the others together, so that equal memories are equal states. */
inline drop(me, set)
{
	got = set;
	for (i : 1 .. SLOTS) {
		j = SLOTS + 1 - i; /* from the last one, so that those before it stay where they are */
		if
		:: has(got, j) ->
			for (n : j .. SLOTS - 1) {
				w[me].event[n] = w[me].event[n + 1]; w[me].number[n] = w[me].number[n + 1];
				w[me].stamp[n] = w[me].stamp[n + 1]
			}
			w[me].event[SLOTS] = 0; w[me].number[SLOTS] = 0; w[me].stamp[SLOTS] = 0;
			squeeze(w[me].undecided, j); squeeze(w[me].accepted, j); squeeze(w[me].refused, j); squeeze(w[me].sent, j)
		:: else
		fi
	}
}

/* A set without slot x; the slots after it are one lower. */
inline squeeze(set, x) { set = (set & (bit_of(x) - 1)) | ((set >> 1) & ~(bit_of(x) - 1)) }

#ifdef NO_FENCE_SCAN
#define fenced_scan(t) false
#else
#define fenced_scan(t) (r.lease != t)
#endif

/* Sets reply. */
inline do_scan(me)
{
	printf("> w%d scan token=%d | ", me + 1, w[me].token);
	if
	:: fenced_scan(w[me].token) -> reply = LOST; printf("lost\n")
	:: else -> reply = DONE; extend_scan(); printf("fields="); print_fields(0); printf(" events="); print_events(0); printf("\n")
	fi
}

inline adopt(me)
{
	do_scan(me);
	if
	:: reply == LOST -> end_ownership(me)
	:: else -> w[me].phase = OWNING; answered(me);
#ifndef NO_ADOPT
		remember_all(me, 0, r.sequence)
#endif
	fi
}

/* The reply of a claim is here. */
inline claimed(me)
{
	if
	:: reply == DONE -> answered(me); remember_all(me, before, r.sequence);
		w[me].expected = r.sequence
	:: reply == AGAIN -> answered(me); take_again(me)
	:: else -> end_ownership(me)
	fi
}

/* claims.py, _again: the events of the latest claim, the reply of which was lost. */
inline take_again(me)
{
	do_scan(me);
	count = 0; stamp = 0; some = 1;
	for (k : 1 .. EVENTS) {
		if
		:: r.number[k] > w[me].expected && r.number[k] <= before ->
			count++;
			if :: stamp && stamp != r.stamp[k] -> some = 0 :: else fi;
			stamp = r.stamp[k]
		:: else
		fi
	}
#ifndef NO_AGAIN_CHECK
	some = some && count == before - w[me].expected;
#else
	some = 1;
#endif
	if
	:: some ->
		remember_all(me, w[me].expected, before);
		w[me].expected = before
	:: else -> end_ownership(me)
	fi
}

/* The next settlement: the one without a reply, unchanged; or what is decided: all of it, or only its first event, if
 * the others were decided after it was sent. */
inline fill_settlement(me, only_first)
{
	if
#ifdef CHANGED_SETTLEMENT
	:: w[me].sent -> w[me].sent = decided(me)
#else
	:: w[me].sent -> skip
#endif
	:: !w[me].sent && only_first -> w[me].sent = decided(me) & -decided(me)
	:: else -> w[me].sent = decided(me)
	fi;
	c_accepted = w[me].sent & w[me].accepted; c_refused = w[me].sent & w[me].refused;
	for (i : 1 .. SLOTS) { c_number[i] = w[me].number[i]; c_stamp[i] = w[me].stamp[i] }
}

inline settled(me)
{
	if
	:: reply == DONE -> answered(me);
		w[me].settlement++;
		drop(me, w[me].sent)
	:: else -> end_ownership(me)
	fi
}

#define is_next_of(me, u, x) (has(w[me].undecided, x) && user(w[me].event[x]) == u)

/* The slot of the event of this user that this worker sends next: the first one that is not decided. A worker that
 * adopts sorts by number, and what it claims later comes after it. */
inline next_of(me, u)
{
	e = 1;
	do
	:: !is_next_of(me, u, e) -> e++
	:: else -> break
	od
}

/* -------------------------------------------------------------------------------------------------- late copies */

inline keep_copy(command_, token_, argument_)
{
	k = (late[0].command -> 1 : 0);
	late[k].command = command_; late[k].token = token_; late[k].argument = argument_;
	copies--
}

inline keep_settlement(me)
{
	keep_copy(SETTLE, w[me].token, w[me].settlement + 1);
	late[k].accepted = c_accepted; late[k].refused = c_refused;
	for (i : 1 .. SLOTS) {
		if :: has(c_accepted | c_refused, i) -> late[k].number[i] = c_number[i]; late[k].stamp[i] = c_stamp[i] :: else fi
	}
}

#define free_late (copies && (!late[0].command || !late[1].command))

/* -------------------------------------------------------------------------------------------------- the worker's steps */

#define has_room(me) (!w[me].event[SLOTS - MOST + 1])
/* A command that would change nothing and tell nothing new is left out: its step would lead back to the same state. */
#define claim_matters(me) (!holds(me) || r.sequence != w[me].expected || is_unsettled(w[me].settlement) || r.list[0])

#if USERS == 1
#define has_next(me, u) (w[me].undecided)
#else
#define slot_next(me, u, x) (SLOTS >= x && is_next_of(me, u, (SLOTS >= x -> x : 0)))
#define has_next(me, u) (slot_next(me, u, 1) || slot_next(me, u, 2) || slot_next(me, u, 3) || slot_next(me, u, 4) || slot_next(me, u, 5))
#endif

/* A POST is one step. An event that is in flight when its worker dies or hangs: its acceptance is the step before. */
inline post(me, x)
{
	printf("# w%d POSTs event %d: accepted\n", me + 1, w[me].event[x]);
#ifdef SETTLE_FIRST
	w[me].undecided = w[me].undecided & ~bit_of(x); w[me].accepted = w[me].accepted | bit_of(x);
#else
	accept(me, w[me].event[x]);
	w[me].undecided = w[me].undecided & ~bit_of(x); w[me].accepted = w[me].accepted | bit_of(x)
#endif
}

inline post_unanswered(me, x)
{
	printf("# w%d POSTs event %d: accepted, but the answer is lost\n", me + 1, w[me].event[x]);
	accept(me, w[me].event[x]);
	cause = cause | bit_of(w[me].event[x]);
	lost_answers--
}

inline refuse(me, x)
{
	printf("# w%d POSTs event %d: refused\n", me + 1, w[me].event[x]);
	refused = refused | bit_of(w[me].event[x]);
	w[me].undecided = w[me].undecided & ~bit_of(x); w[me].refused = w[me].refused | bit_of(x);
	refusals--
}

inline acquired(me)
{
	if
	:: reply == DONE ->
		w[me].phase = ADOPTING; w[me].asked = 0; answered(me); w[me].expected = r.sequence; w[me].settlement = r.settlement;
#ifdef RESTART_SETTLEMENTS
		w[me].settlement = 0;
#endif
	:: else -> be_idle(me)
	fi
}

#define may_acquire(me) (!halted && \
	(w[me].phase == ASKING || (w[me].phase == IDLE && !r.lease && (me == 0 || w[0].phase != IDLE))))

inline ask(me)
{
	if
	:: w[me].phase == ASKING -> w[me].asked = w[me].asked | bit_of(w[me].token);
#ifndef SAME_TOKEN_AGAIN
		new_token(me)
#endif
	:: else -> new_token(me)
	fi
}

proctype worker(byte me)
{
end:	do
	/* Both workers are alike, so while both are idle it is enough that the first one acquires. Who finds the lease
	 * busy is idle again: no step. */
	:: d_step { may_acquire(me) -> who = me + 1; ask(me); do_acquire(w[me].token, w[me].asked); acquired(me) }
#if LOST_REPLIES
	:: d_step { lost_replies && may_acquire(me) && (!r.lease || has(w[me].asked, r.lease)) ->
		who = me + 1; ask(me); do_acquire(w[me].token, w[me].asked); printf("# reply lost\n");
		w[me].phase = ASKING; lost_replies-- }
#endif
#if LATE
	:: d_step { free_late && may_acquire(me) -> ask(me); keep_copy(ACQUIRE, w[me].token, w[me].asked);
		w[me].phase = ASKING; printf("# "); print_acquire(w[me].token, w[me].asked);
		printf(" by w%d is late\n", me + 1) }
#endif

	:: d_step { w[me].phase == ADOPTING -> adopt(me) }

	:: d_step { w[me].phase == OWNING && has_room(me) && claim_matters(me) ->
		who = me + 1; do_claim(w[me].token, w[me].expected, w[me].settlement); claimed(me) }
#if LOST_REPLIES
	:: d_step { lost_replies && w[me].phase == OWNING && has_room(me) && holds(me) && r.sequence == w[me].expected && r.settlement >= w[me].settlement && r.list[0] ->
		who = me + 1; do_claim(w[me].token, w[me].expected, w[me].settlement); printf("# reply lost\n"); lost_replies-- }
#endif
#if LATE
	:: d_step { free_late && w[me].phase == OWNING && has_room(me) -> keep_copy(CLAIM, w[me].token, w[me].expected); late[k].settlement = w[me].settlement;
		printf("# a copy of claim token=%d expected=%d by w%d is late\n", w[me].token, w[me].expected, me + 1) }
#endif

	:: d_step { w[me].phase == OWNING && may_post(me) && has_next(me, 0) -> next_of(me, 0); post(me, e) }
#if LOST_ANSWERS
	:: d_step { lost_answers && w[me].phase == OWNING && may_post(me) && has_next(me, 0) -> next_of(me, 0);
		post_unanswered(me, e) }
#endif
#if REFUSALS
	:: d_step { refusals && w[me].phase == OWNING && may_post(me) && has_next(me, 0) -> next_of(me, 0);
		refuse(me, e) }
#endif
#if USERS > 1
	:: d_step { w[me].phase == OWNING && may_post(me) && has_next(me, 1) -> next_of(me, 1); post(me, e) }
#if LOST_ANSWERS
	:: d_step { lost_answers && w[me].phase == OWNING && may_post(me) && has_next(me, 1) -> next_of(me, 1);
		post_unanswered(me, e) }
#endif
#if REFUSALS
	:: d_step { refusals && w[me].phase == OWNING && may_post(me) && has_next(me, 1) -> next_of(me, 1);
		refuse(me, e) }
#endif
#endif

	:: d_step { w[me].phase >= OWNING && decided(me) ->
		who = me + 1; fill_settlement(me, 0); do_settle(w[me].token, w[me].settlement + 1); settled(me) }
	:: d_step { w[me].phase >= OWNING && !w[me].sent && (decided(me) & (decided(me) - 1)) ->
		who = me + 1; fill_settlement(me, 1); do_settle(w[me].token, w[me].settlement + 1); settled(me) }
#if LOST_REPLIES
	:: d_step { lost_replies && w[me].phase >= OWNING && decided(me) && holds(me) && r.settlement == w[me].settlement ->
		who = me + 1; fill_settlement(me, 0); do_settle(w[me].token, w[me].settlement + 1);
		printf("# reply lost\n"); lost_replies-- }
#endif
#if LATE
	:: d_step { free_late && w[me].phase >= OWNING && decided(me) -> fill_settlement(me, 0); keep_settlement(me);
		printf("# a copy of settle token=%d number=%d by w%d is late\n", w[me].token, w[me].settlement + 1, me + 1) }
#endif

	:: d_step { !holds(me) && w[me].phase >= ADOPTING ->
		printf("> w%d renew token=%d | lost\n", me + 1, w[me].token); end_ownership(me) }

#if TICKS
	:: d_step { w[me].phase >= ADOPTING && holds(me) && w[me].age ->
		printf("> w%d renew token=%d | renewed\n", me + 1, w[me].token); extend(); answered(me) }
#endif

#if STOPS
	:: d_step { stops && (w[me].phase == ADOPTING || w[me].phase == OWNING) ->
		printf("# w%d stops\n", me + 1); drop(me, w[me].undecided); w[me].phase = CLOSING; stops-- }
#endif
#if HALTS
	:: d_step { halted && (w[me].phase == ADOPTING || w[me].phase == OWNING) ->
		printf("# w%d halts\n", me + 1); drop(me, w[me].undecided); w[me].phase = CLOSING }
#endif
	/* What was refused may stay claimed, if a halt came before its settlement. */
	:: d_step { w[me].phase == CLOSING && !w[me].accepted && !w[me].sent ->
		who = me + 1; do_release(w[me].token); be_idle(me) }
#if LATE
	:: d_step { free_late && w[me].phase == CLOSING && !w[me].accepted && !w[me].sent -> keep_copy(RELEASE, w[me].token, 0);
		printf("# a copy of release token=%d by w%d is late\n", w[me].token, me + 1); be_idle(me) }
#endif
#if CRASHES
	:: d_step { crashes && w[me].phase == CLOSING && (w[me].accepted || w[me].sent) ->
		printf("# w%d does not wait for its settlement\n", me + 1); excuse(me);
		who = me + 1; do_release(w[me].token); be_idle(me); crashes-- }
	:: d_step { crashes && w[me].phase != IDLE ->
		printf("# w%d crashes\n", me + 1); excuse(me); be_idle(me); crashes-- }
#endif
	od
}

/* -------------------------------------------------------------------------------------------------- everything else */

#define number_at(x) (EVENTS >= x && r.number[(EVENTS >= x -> x : 0)])
#define none_claimed (!number_at(1) && !number_at(2) && !number_at(3) && !number_at(4) && !number_at(5))
#define everything_decided (!r.list[0] && none_claimed && pushed_ever == EVENTS)

#define lives(me) (w[me].phase != IDLE && w[me].token == r.lease)

inline expire()
{
	printf("> redis expire\n");
	for (j : 0 .. WORKERS - 1) { if :: lives(j) -> excuse(j); w[j].hung = 1; expiries-- :: else fi };
	r.lease = 0;
	show_state();
	drop_late()
}

#if TICKS
inline tick()
{
	printf("# time passes\n");
	for (j : 0 .. WORKERS - 1) { if :: w[j].phase != IDLE && w[j].age < 2 -> w[j].age++ :: else fi };
	age++;
	if
	:: age == 3 -> age = 0; r.lease = 0; printf("> redis expire\n"); show_state();
		for (j : 0 .. WORKERS - 1) { excuse(j) }; /* what it has not settled by then */
		drop_late()
	:: else
	fi
}
#endif

inline copy_redis(to, from)
{
	for (i : 0 .. EVENTS) {
		to.list[i] = from.list[i]; to.number[i] = from.number[i]; to.stamp[i] = from.stamp[i]; to.letter[i] = from.letter[i]
	}
	to.lease = from.lease; to.sequence = from.sequence; to.settlement = from.settlement; to.accepted = from.accepted;
	to.dead_lettered = from.dead_lettered; to.replayed = from.replayed; to.deleted = from.deleted; to.pushed = from.pushed
}

/* Sets used to the events that are in x. */
inline inside(x)
{
	used = 0;
	for (i : 0 .. EVENTS - 1) { used = used | bit_of(x.list[i]) }
	for (i : 1 .. EVENTS) { if :: x.number[i] || x.letter[i] -> used = used | bit_of(i) :: else fi }
	used = used & ~1
}

inline failover()
{
	printf("> redis failover\n");
	inside(r); got = used;
	inside(replica);
	gone = (gone & ~used) | (got & ~used & ~api); /* what the replica had not heard of is lost */
	cause = cause | (used & api);                 /* what was accepted is there again */
	copy_redis(r, replica);
	for (j : 0 .. WORKERS - 1) { if :: w[j].phase != IDLE -> w[j].hung = 1 :: else fi };
	replicated = 0; failovers--;
	/* As it will not be read again: all zeros. */
	clear(replica);
	drop_late();
	judge()
}

inline clear(x)
{
	for (i : 0 .. EVENTS) { x.list[i] = 0; x.number[i] = 0; x.stamp[i] = 0; x.letter[i] = 0 }
	x.lease = 0; x.sequence = 0; x.settlement = 0; x.accepted = 0; x.dead_lettered = 0; x.replayed = 0; x.deleted = 0; x.pushed = 0
}

inline push(x)
{
	for (i : 0 .. EVENTS - 1) { if :: r.list[i] == 0 -> r.list[i] = x; break :: else fi }
}

inline print_person() { if :: who == 3 -> printf("> late ") :: else -> printf("> person ") fi }

inline do_replay(x, id)
{
	if
	:: r.letter[x] && r.letter[x] == id ->
		push(x); r.replayed++; r.letter[x] = 0;
		print_person(); printf("replay event=%d | pushed\n", x)
	:: else -> print_person(); printf("replay event=%d | gone\n", x)
	fi;
	judge()
}

inline do_delete(x)
{
	r.letter[x] = 0; r.deleted++; gone = gone | bit_of(x);
	printf("> person delete event=%d | deleted\n", x);
	judge()
}

inline deliver(x)
{
	who = 3; j = x;
	if
	:: late[x].command == ACQUIRE -> do_acquire(late[x].token, late[x].argument)
	:: late[x].command == CLAIM -> do_claim(late[x].token, late[x].argument, late[x].settlement)
	:: late[x].command == SETTLE ->
		c_accepted = late[x].accepted; c_refused = late[x].refused;
		for (i : 1 .. SLOTS) { c_number[i] = late[x].number[i]; c_stamp[i] = late[x].stamp[i] };
		do_settle(late[x].token, late[x].argument)
	:: late[x].command == RELEASE -> do_release(late[x].token)
	:: late[x].command == REPLAY -> do_replay(late[x].argument, late[x].stamp[1])
	fi;
	clear_late(x);
	drop_late();
	printf("# reply lost\n")
}

proctype world()
{
end:	do
#ifdef WALKS /* So that more happens between two faults. */
	:: patience -> patience--
	:: patience -> patience--
	:: patience -> patience--
#endif
#if WAITING < EVENTS
	:: d_step { pushed_ever < EVENTS -> pushed_ever++; r.pushed++; push(pushed_ever);
		printf("> producer push event=%d | pushed\n", pushed_ever); judge() }
#endif
	/* The lease of a holder that is gone ends by itself. Otherwise it is a fault. */
	:: d_step { r.lease && !lives(0) && !lives(1) -> expire() }
#if TICKS
	:: d_step { ticks && r.lease -> ticks--; tick() }
#endif
#if EXPIRIES
	:: d_step { expiries && r.lease && (lives(0) || lives(1)) -> expire() }
#endif
#if FAILOVERS
	/* A replica always knows a state that the master once had. What matters is only which one it is when the failover
	 * comes. So the replica is written once, at any time, instead of always. */
	:: d_step { failovers && !replicated -> copy_redis(replica, r); replicated = 1; printf("> redis replicate\n") }
	:: d_step { failovers && replicated -> failover() }
#endif
#if LATE
	:: d_step { late[0].command -> deliver(0) }
	:: d_step { late[1].command -> deliver(1) }
#endif
#if HALTS
	:: d_step { halts && !halted -> halted = 1; halts--; printf("# halt\n") }
	:: d_step { halted -> halted = 0; printf("# resume\n") }
#endif
#if EVENTS >= 1
#if REPLAYS
	:: d_step { replays && r.letter[1] -> replays--; who = 0; do_replay(1, r.letter[1]) }
#if LATE
	:: d_step { replays && free_late && r.letter[1] -> replays--; keep_copy(REPLAY, 0, 1); late[k].stamp[1] = r.letter[1];
		printf("# a copy of replay event=1 is late\n") }
#endif
#endif
#if DELETES
	:: d_step { deletes && r.letter[1] -> deletes--; do_delete(1) }
#endif
#endif
#if EVENTS >= 2
#if REPLAYS
	:: d_step { replays && r.letter[2] -> replays--; who = 0; do_replay(2, r.letter[2]) }
#if LATE
	:: d_step { replays && free_late && r.letter[2] -> replays--; keep_copy(REPLAY, 0, 2); late[k].stamp[1] = r.letter[2];
		printf("# a copy of replay event=2 is late\n") }
#endif
#endif
#if DELETES
	:: d_step { deletes && r.letter[2] -> deletes--; do_delete(2) }
#endif
#endif
#if EVENTS >= 3
#if REPLAYS
	:: d_step { replays && r.letter[3] -> replays--; who = 0; do_replay(3, r.letter[3]) }
#if LATE
	:: d_step { replays && free_late && r.letter[3] -> replays--; keep_copy(REPLAY, 0, 3); late[k].stamp[1] = r.letter[3];
		printf("# a copy of replay event=3 is late\n") }
#endif
#endif
#if DELETES
	:: d_step { deletes && r.letter[3] -> deletes--; do_delete(3) }
#endif
#endif
#if EVENTS >= 4
#if REPLAYS
	:: d_step { replays && r.letter[4] -> replays--; who = 0; do_replay(4, r.letter[4]) }
#if LATE
	:: d_step { replays && free_late && r.letter[4] -> replays--; keep_copy(REPLAY, 0, 4); late[k].stamp[1] = r.letter[4];
		printf("# a copy of replay event=4 is late\n") }
#endif
#endif
#if DELETES
	:: d_step { deletes && r.letter[4] -> deletes--; do_delete(4) }
#endif
#endif
	od
}

#ifdef WALKS
/* Simulations: when nothing more can happen, everything begins again. */
inline begin_again()
{
	clear(r); clear(replica);
	be_idle(0); be_idle(1);
	for (k : 0 .. 1) {
		clear_late(k)
	}
	api = 0; refused = 0; cause = 0; gone = 0; replicated = 0; halted = 0; pushed_ever = WAITING;
#ifdef FAULTS
	faults = FAULTS;
#else
	expiries = EXPIRIES; crashes = CRASHES; failovers = FAILOVERS; lost_replies = LOST_REPLIES; copies = LATE;
	lost_answers = LOST_ANSWERS; refusals = REFUSALS; replays = REPLAYS; deletes = DELETES; stops = STOPS;
	halts = HALTS;
#endif
	for (i : 1 .. EVENTS) { if :: i <= WAITING -> r.list[i - 1] = i :: else fi }
	r.pushed = WAITING;
	patience = PATIENCE;
	printf("# walk\n");
	print_state()
}
int walks = 1;
#endif

/* In the end everything is decided, also if no step is ever the last one: no run goes round in circles. */
#ifdef LIVENESS /* with at most two events */
ltl decided { <> [] (r.list[0] == 0 && r.number[1] == 0 && r.number[EVENTS] == 0 && pushed_ever == EVENTS) }
#endif

init {
	d_step {
		for (i : 1 .. EVENTS) { if :: i <= WAITING -> r.list[i - 1] = i :: else fi }
		r.pushed = WAITING;
		show_state()
	}
	atomic { run worker(0); run worker(1); run world() }
#ifdef WALKS
	do
	:: timeout && walks < WALKS -> d_step { walks++; begin_again() }
	:: timeout && walks == WALKS -> break
	od
#else
	all_done: timeout -> d_step { all_decided = everything_decided; assert(all_decided) }
#endif
}
