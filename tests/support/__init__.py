"""What tests share: servers, services, events, promises, and the virtual clock."""
