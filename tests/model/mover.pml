/* The mover of `forwarder reshard`, against everything that may happen meanwhile. Spin checks it.
 *
 * Two commands (m1, m2) move lists to where their events belong. Each may stand still, be killed and be started again
 * at any moment. Meanwhile leases end, replies are lost, copies of commands arrive late, producers push, a worker that
 * was frozen wakes, and a person replays and deletes dead letters. At any moment at which no command runs, the faults
 * may end: then one more run has to finish everything.
 *
 * One step is one command that Redis executes. The checks of forwarder/queue/lua/NAME.lua and of the mover are here
 * again. -DBREAK=name leaves one out; the names are below.
 *
 * Bounds: SHAPE and PAGE (below), RUNS of both commands together before the last one, EXPIRIES of leases, RESENDS of
 * commands after a lost reply, LATE copies, PUSHES, PERSON (replays and deletions of a letter), WORKER (commands of
 * the worker that wakes), ACQUIRES (how often it asks for the lease).
 *
 * Judged after each step: each event is in exactly one place. A page in `stage` is one until its list has loaded it.
 * Judged in the end: everything is in its list, oldest first; the counts are right; nothing is left of the move.
 * The graph of states has no cycle (pan -l), so each run ends.
 *
 * What keeps the states few, and loses none:
 * - A list is one number with a hexadecimal digit for each event, the oldest one lowest.
 * - Tokens and IDs are only compared. So a new one is the smallest that nobody holds or remembers.
 * - The two commands are alike. So m2 starts only when m1 runs.
 * - A command that gets no answer ends, and leaves what a killed one leaves. A frozen one is one that takes no step.
 * - Sending and executing are one step, because nobody else sees what was sent. A copy that comes later is in `late`.
 * - What only reads and refuses early is left out (`refuse` in operations/reshard.py): the scripts check it again.
 * - A renewal that finds its lease lost is left out: the next command of that list finds the same.
 */

#ifndef SHAPE
#define SHAPE 1
#endif
#ifndef PAGE
#define PAGE 1
#endif
#ifndef RUNS
#define RUNS 2
#endif
#ifndef EXPIRIES
#define EXPIRIES 0
#endif
#ifndef RESENDS
#define RESENDS 0
#endif
#ifndef LATE
#define LATE 0
#endif
#ifndef PUSHES
#define PUSHES 0
#endif
#ifndef PERSON
#define PERSON 0
#endif
#ifndef WORKER
#define WORKER 0
#endif
#ifndef ACQUIRES
#define ACQUIRES 0
#endif
#ifndef FAILOVERS
#define FAILOVERS 0
#endif
#ifndef REPLICA
#define REPLICA 0
#endif
#ifndef BREAK
#define BREAK 0
#endif
#define CHECKED(name) (BREAK != name)
#ifndef TRACE
#define TRACE 1 /* 0: print no command, which is faster by a quarter. The transitions are the same, so a trail fits both. */
#endif

/* Checks of the scripts */
#define reshard_text 1
#define reshard_workers 2
#define aside_token 3
#define aside_once 4
#define aside_empty 5
#define events_token 6
#define letters_token 7
#define counts_token 8
#define unload_staged 9
#define unload_number 10
#define unload_left 11
#define load_token 12
#define load_same 13
#define load_later 14
#define acquire_free 15
#define acquire_over 16
#define release_token 17
#define replay_moving 18
#define delete_moving 19
#define claim_token 20
#define settle_token 21
#define tidy_token 22
#define scan_token 24
#define agree_when_owner 23 /* a step of the worker */
/* Steps of the mover */
#define new_lease 31
#define id_after_own 32
#define id_when_lost 33
#define mark_tidy 34
#define loaded_last 35
#define all_aside_first 36
#define claimed_first 37
#define mark_first 38
#define new_id 39
#define tidy_moved 40
#define token_once 41

/* Where a user's events were and belong. Events 1 to 3 are claimed or wait, 4 is a letter, 5 and 6 are pushed. */
#define LAST 6
#define ACCEPTED 1 /* this many events were accepted before */
#if SHAPE == 1 /* two lists exchange their users */
#define NL 2
#define GONE(l) (0)
#define USER(e) ((e) == 3)
#define OLD(e) ((e) == 3)
#define HOME(e) ((e) != 3)
#define NTH(i, stray) (i)
#define SHARD_0 0
#elif SHAPE == 2 /* one list becomes two others */
#define NL 3
#define GONE(l) (l == 0)
#define USER(e) ((e) == 2 || (e) == 4)
#define OLD(e) (0)
#define HOME(e) (1 + USER(e))
#define NTH(i, stray) (stray -> (i + 1) % NL : i)
#define SHARD_0 1
#else /* one of two lists ends */
#define NL 2
#define GONE(l) (l == 1)
#define USER(e) ((e) == 3)
#define OLD(e) ((e) != 3)
#define HOME(e) (0)
#define NTH(i, stray) (i)
#define SHARD_0 0
#endif

/* The text of `shards`: the old number, the new one, or a mark with an ID */
#define BEFORE 0
#define AFTER 1
#define MARK(id, stray, tidying) (4 * (id) + 2 * (stray) + (tidying))
#define ID(text) (text / 4) /* 0 without a mark */
#define STRAY(text) ((text >> 1) & 1)
#define TIDYING(text) (text & 1)
/* Whose token */
#define IS_MOVER(token) (token >= 4)

#define none 0
#define ok 0
#define nothing 0
#define idle 0
mtype:op = { read, mark, acquire, release, set_aside, scan, unload_events, scan_letters, unload_letters,
             unload_counts, load, tidy };
mtype:reply = { lost, busy, otherwise, workers, rolled_back, wrongtype };
mtype:kind = { events, letters, counts };
mtype:at = { planning, marking, owning, checking, releasing, setting_aside, scanning, emptying, scanning_letters,
             emptying_letters, emptying_counts, loading, marking_tidy, tidying, finishing, checking_when_lost };

/* One list in Redis. `move` is the page number plus one: 0 without the key. */
typedef List {
  byte lease, sequence, accepted, dead_lettered, replayed, deleted, move;
  byte moved[NL];
  int waiting, claimed, aside, dead, stage;
  mtype:kind staged
}
typedef Command { mtype:op op; byte by, list, token, source, number; int items; mtype:kind kind }
typedef Mover {
  mtype:at at, phase;
  byte id, present, token, i, plan, number, target;
  bit stray, is_tidy;
  byte loaded[NL];
  int fields, items;
  mtype:kind kind
}

List q[NL];
byte text = BEFORE;
Mover m[2];
Command late;
#if FAILOVERS
List replica;
#endif
byte runs = RUNS, expiries = EXPIRIES, resends = RESENDS, copies = LATE, pushes = PUSHES, person = PERSON;
byte failovers = FAILOVERS;
byte excused; /* events, one bit each: their only copy went down with a master */
byte commands = WORKER, acquires = ACQUIRES;
bit no_loss = 1, no_double = 1, in_order = 1, in_its_list = 1, counted = 1, clean = 1, succeeded = 1;
bit running = (WORKER > 0), agreed = 1, quiet, finished; /* running: a worker's row is in `workers` */
byte worker_token, worker_list;
int memory;                   /* what the worker holds */
byte present, gone, sent;     /* events, one bit each: pushed; accepted and settled, or deleted; accepted by the API */
byte loose, elsewhere;        /* events, one bit each: without a promise of order; without a promise of their list */
byte claim_number[LAST + 1], claim_stamp[LAST + 1], stamps;

/* Set and cleared within one step */
Command c;
mtype:reply r;
mtype:kind r_kind;
byte r_number, r_dealt, k, n, e, x, places, held;
int r_items, taken, part, rest;

#define HAS(set, e) ((set >> (e)) & 1)
#define FIRST(list) (list & 15)

inline append(set_, event) { k = 0; do :: (set_ >> k) & 15 -> k = k + 4 :: else -> break od; set_ = set_ | ((event) << k); k = 0 }
inline drop(set_, event) {
  k = 0;
  do :: ((set_ >> k) & 15) == 0 -> break
     :: ((set_ >> k) & 15) == event -> set_ = (set_ & ((1 << k) - 1)) | ((set_ >> (k + 4)) << k); break
     :: else -> k = k + 4 od;
  k = 0
}
inline find(set_, event) { /* x: whether it is there */
  k = 0; x = 0;
  do :: ((set_ >> k) & 15) == 0 -> break :: ((set_ >> k) & 15) == event -> x = 1; break :: else -> k = k + 4 od;
  k = 0
}

/* ---- what is printed, in simulations only ---- */

inline print_events(set_) {
  k = 0;
  do :: (set_ >> k) & 15 -> if :: k -> printf(",") :: else fi; printf("%d", (set_ >> k) & 15); k = k + 4 :: else -> break od;
  if :: k == 0 -> printf("-") :: else fi;
  k = 0
}
inline print_fields(set_) {
  printf(" fields=");
  k = 0;
  do :: (set_ >> k) & 15 ->
        if :: k -> printf(",") :: else fi;
        printf("%d-%d", claim_number[(set_ >> k) & 15], claim_stamp[(set_ >> k) & 15]); k = k + 4
     :: else -> break od;
  if :: k == 0 -> printf("-") :: else fi;
  k = 0
}

inline print_targets(set_) {
  printf(" letters=");
  k = 0;
  do :: (set_ >> k) & 15 ->
        if :: k -> printf(",") :: else fi;
        printf("%d-%d", (set_ >> k) & 15, HOME((set_ >> k) & 15)); k = k + 4
     :: else -> break od;
  if :: k == 0 -> printf("-") :: else fi;
  k = 0
}
inline print_kind(kind_, set_) {
  if :: kind_ == counts -> printf(" counts=%d,%d,%d,%d,%d", set_ & 15, (set_ >> 4) & 15, (set_ >> 8) & 15, (set_ >> 12) & 15, (set_ >> 16) & 15)
     :: kind_ == letters -> printf(" letters="); print_events(set_)
     :: else -> printf(" events="); print_events(set_) fi
}
inline show_command() {
  if :: c.by == 4 -> printf("> late ") :: c.by == 3 -> printf("> worker ") :: else -> printf("> m%d ", c.by) fi;
  if :: c.op == read -> printf("read") :: c.op == mark -> printf("reshard") :: c.op == acquire -> printf("acquire")
     :: c.op == release -> printf("release") :: c.op == set_aside -> printf("set_aside") :: c.op == scan -> printf("scan")
     :: c.op == unload_events -> printf("unload_events") :: c.op == scan_letters -> printf("letters")
     :: c.op == unload_letters -> printf("unload_letters") :: c.op == unload_counts -> printf("unload_counts")
     :: c.op == load -> printf("load") :: c.op == tidy -> printf("tidy") fi;
  if :: c.op == read -> skip
     :: c.op == mark -> printf(" present=%d text=%d", c.source, c.number)
     :: else -> printf(" list=%c", 'a' + c.list) fi;
  if :: c.token -> printf(" token=%d", c.token) :: else fi;
  if :: c.op == unload_events -> printf(" page=%d", c.number); print_fields(c.items)
     :: c.op == unload_letters -> printf(" page=%d", c.number); print_targets(c.items)
     :: c.op == unload_counts -> printf(" page=%d", c.number)
     :: c.op == load -> printf(" from=%c page=%d", 'a' + c.source, c.number); print_kind(c.kind, c.items)
     :: c.op == tidy -> printf(" gone=%d", GONE(c.list))
     :: else fi
}
inline show_reply() {
  if :: c.op == read -> printf(" | text=%d", text)
     :: c.op == scan && r == ok -> printf(" |"); print_fields(q[c.list].claimed); printf(" events="); print_events(q[c.list].claimed)
     :: c.op == scan_letters -> printf(" |"); printf(" letters="); print_events(q[c.list].dead)
     :: r == lost -> printf(" | lost") :: r == busy -> printf(" | busy") :: r == otherwise -> printf(" | otherwise text=%d", text)
     :: r == workers -> printf(" | workers") :: r == rolled_back -> printf(" | rolled_back") :: r == wrongtype -> printf(" | wrongtype")
     :: c.op == mark -> printf(" | written")
     :: c.op == acquire -> printf(" | acquired sequence=%d claimed=%d", q[c.list].sequence, n)
     :: c.op == release -> printf(" | released")
     :: c.op == set_aside -> printf(" | aside")
     :: c.op == load -> printf(" | loaded")
     :: c.op == tidy -> printf(" | tidy")
     :: else -> printf(" | page number=%d handled=%d", r_number, r_dealt); print_kind(r_kind, r_items) fi;
  printf("\n")
}

/* ---- the scripts: `c` is executed, `r` is the reply ---- */

#define Q q[c.list]
#define FENCED(name) (Q.lease != c.token && CHECKED(name))

inline count_of(set_) { n = 0; do :: (set_ >> (4 * n)) & 15 -> n++ :: else -> break od }

inline do_mark() {
  if :: text != c.source && CHECKED(reshard_text) -> r = otherwise
     :: else -> if :: running && CHECKED(reshard_workers) -> r = workers :: else -> text = c.number fi fi
}
inline do_acquire() {
  count_of(Q.claimed);
  if :: Q.lease != 0 && Q.lease != c.token && CHECKED(acquire_free) &&
              !(IS_MOVER(c.token) && IS_MOVER(Q.lease) && CHECKED(acquire_over)) -> r = busy
     :: else -> Q.lease = c.token fi
}
inline do_aside() {
  if :: FENCED(aside_token) -> r = lost
     :: else ->
        if :: Q.move != 0 && CHECKED(aside_once) -> skip
           :: else ->
              if :: Q.aside != 0 && CHECKED(aside_empty) -> r = rolled_back
                 :: else -> Q.move = 1; if :: Q.waiting -> Q.aside = Q.waiting :: else fi; Q.waiting = 0 fi fi fi
}

/* What all unloadings begin with. `x`: the page that is staged is the reply. */
#define NUMBER (Q.move -> Q.move - 1 : 0)
inline staged_page() {
  x = (Q.staged != nothing && CHECKED(unload_staged) && (NUMBER != c.number || !CHECKED(unload_number)));
  r_number = NUMBER;
  if :: x -> r_items = Q.stage; r_kind = Q.staged :: else -> r_kind = nothing fi
}
inline new_page(kind_) {
  Q.stage = 0; Q.staged = nothing;
  if :: r_items != 0 -> Q.stage = r_items; Q.staged = kind_; r_kind = kind_; r_number++; Q.move = r_number + 1 :: else fi
}
inline do_unload_events() {
  staged_page();
  if :: x -> skip
     :: else ->
        taken = 0; rest = c.items; n = 0;
        if :: !CHECKED(claimed_first) && Q.aside != 0 -> rest = 0 :: else fi;
        do :: rest != 0 && n < PAGE ->
              e = FIRST(rest); rest = rest >> 4; r_dealt++;
              find(Q.claimed, e);
              if :: x -> append(taken, e); n++ :: else fi
           :: else -> break od;
        part = Q.claimed; rest = taken;
        do :: rest != 0 -> e = FIRST(rest); rest = rest >> 4; drop(part, e) :: else -> break od;
        r_items = taken;
        if :: part == 0 || !CHECKED(claimed_first) ->
              do :: Q.aside != 0 && n < PAGE -> e = FIRST(Q.aside); append(r_items, e); Q.aside = Q.aside >> 4; n++ :: else -> break od
           :: else ->
              count_of(c.items);
              if :: r_items == 0 && r_dealt == n && CHECKED(unload_left) -> r = rolled_back :: else fi fi;
        if :: r == ok ->
              new_page(events);
              count_of(taken); Q.sequence = (Q.sequence > n -> Q.sequence - n : 0); Q.claimed = part
           :: else fi;
        taken = 0; part = 0 fi
}
inline do_unload_letters() {
  staged_page();
  if :: x -> skip
     :: else ->
        rest = c.items; n = 0;
        do :: rest != 0 && n < PAGE ->
              e = FIRST(rest); rest = rest >> 4; r_dealt++;
              find(Q.dead, e);
              if :: x -> append(r_items, e); drop(Q.dead, e); n++ :: else fi
           :: else -> break od;
        rest = 0;
        new_page(letters);
        Q.sequence = (Q.sequence > n -> Q.sequence - n : 0);
        Q.dead_lettered = (Q.dead_lettered > n -> Q.dead_lettered - n : 0) fi
}
inline do_unload_counts() {
  staged_page();
  if :: x -> skip
     :: else ->
        r_items = Q.sequence | (Q.accepted << 4) | (Q.dead_lettered << 8) | (Q.replayed << 12) | (Q.deleted << 16);
        new_page(counts);
        Q.sequence = 0; Q.accepted = 0; Q.dead_lettered = 0; Q.replayed = 0; Q.deleted = 0 fi
}
inline do_load() {
  if :: FENCED(load_token) -> r = lost
     :: else ->
        x = Q.moved[c.source];
        if :: x > c.number && CHECKED(load_later) -> r = wrongtype
           :: else ->
              if :: x == c.number && CHECKED(load_same) -> skip
                 :: else ->
                    rest = c.items;
                    if :: c.kind == counts ->
                          Q.sequence = Q.sequence + (rest & 15); Q.accepted = Q.accepted + ((rest >> 4) & 15);
                          Q.dead_lettered = Q.dead_lettered + ((rest >> 8) & 15);
                          Q.replayed = Q.replayed + ((rest >> 12) & 15); Q.deleted = Q.deleted + ((rest >> 16) & 15)
                       :: else ->
                          do :: rest != 0 ->
                                e = FIRST(rest); rest = rest >> 4;
                                if :: c.kind == events -> append(Q.waiting, e)
                                   :: else -> append(Q.dead, e); Q.sequence++; Q.dead_lettered++ fi
                             :: else -> break od fi;
                    rest = 0;
                    Q.moved[c.source] = c.number fi fi fi
}
inline do_tidy() {
  if :: FENCED(tidy_token) -> r = lost
     :: else ->
        Q.move = 0; Q.lease = 0;
        if :: CHECKED(tidy_moved) -> for (k : 0 .. NL - 1) { Q.moved[k] = 0 } :: else fi;
        k = 0 fi
}

inline execute() {
  r = ok;
  if :: TRACE -> show_command() :: else fi;
  if :: c.op == mark -> do_mark()
     :: c.op == acquire -> do_acquire()
     :: c.op == release -> if :: FENCED(release_token) -> r = lost :: else -> Q.lease = 0 fi
     :: c.op == scan -> if :: FENCED(scan_token) -> r = lost :: else fi
     :: c.op == set_aside -> do_aside()
     :: c.op == unload_events -> if :: FENCED(events_token) -> r = lost :: else -> do_unload_events() fi
     :: c.op == unload_letters -> if :: FENCED(letters_token) -> r = lost :: else -> do_unload_letters() fi
     :: c.op == unload_counts -> if :: FENCED(counts_token) -> r = lost :: else -> do_unload_counts() fi
     :: c.op == load -> do_load()
     :: c.op == tidy -> do_tidy()
     :: else fi;
  if :: TRACE -> show_reply() :: else fi
}
inline forget() {
  c.op = none; c.by = 0; c.list = 0; c.token = 0; c.source = 0; c.number = 0; c.items = 0; c.kind = nothing;
  r = ok; r_kind = nothing; r_number = 0; r_dealt = 0; r_items = 0; k = 0; n = 0; e = 0; x = 0; places = 0;
  taken = 0; part = 0; rest = 0
}

#ifdef WALKS /* this many simulations, one after the other, and the state of each list after each command */
#ifndef PATIENCE
#define PATIENCE 0 /* steps in which no fault happens */
#endif
byte patience = PATIENCE;
byte tokens = 4; /* a real client never draws a token twice */
#define FIRST_TOKEN tokens
#define NOTE_TOKEN tokens = x + 1
short walks = WALKS;
#define show_state() print_state()
#define wait() if :: patience -> patience-- :: else fi
#else
#define patience 0
#define FIRST_TOKEN 4
#define NOTE_TOKEN skip
#define show_state() skip
#define wait() skip
#endif
#define FAULTS (!quiet && patience == 0)

inline print_state() {
  for (n : 0 .. NL - 1) {
    printf("= list=%c waiting=", 'a' + n); print_events(q[n].waiting);
    print_fields(q[n].claimed); printf(" events="); print_events(q[n].claimed);
    printf(" letters="); print_events(q[n].dead);
    printf(" sequence=%d accepted=%d dead_lettered=%d replayed=%d", q[n].sequence, q[n].accepted, q[n].dead_lettered, q[n].replayed);
    printf(" deleted=%d holder=%d aside=", q[n].deleted, q[n].lease); print_events(q[n].aside);
    if :: q[n].staged == counts -> skip :: else -> printf(" stage="); print_events(q[n].stage) fi;
    if :: q[n].move -> printf(" page=%d moved=", q[n].move - 1) :: else -> printf(" page=- moved=") fi;
    for (k : 0 .. NL - 1) { if :: k -> printf(",") :: else fi; printf("%d", q[n].moved[k]) }
    printf("\n")
  }
  n = 0; k = 0
}

/* ---- what is judged ---- */

inline judge() {
  for (e : 1 .. LAST) {
    if :: HAS(present, e) ->
          places = HAS(gone, e);
          for (n : 0 .. NL - 1) {
            find(q[n].waiting, e); places = places + x;
            find(q[n].claimed, e); places = places + x;
            find(q[n].aside, e); places = places + x;
            find(q[n].dead, e); places = places + x;
            if :: q[n].staged == events || q[n].staged == letters ->
                  find(q[n].stage, e);
                  places = places + (x && q[HOME(e)].moved[n] < q[n].move - 1)
               :: else fi
          }
          no_loss = (places > 0 || HAS(excused, e));
          no_double = (places < 2 || failovers < FAILOVERS);
          if :: !no_loss -> printf("# event %d is nowhere\n", e) :: !no_double -> printf("# event %d is in two places\n", e)
             :: else fi;
          assert(no_loss);
          assert(no_double)
       :: else fi
  }
  show_state()
}

inline judge_end() {
  taken = 0; rest = 0; /* all counts, all letters */
  clean = (text == AFTER);
  assert(clean);
  for (n : 0 .. NL - 1) {
    clean = (q[n].aside == 0 && q[n].staged == nothing && q[n].move == 0);
    for (k : 0 .. NL - 1) { clean = clean && q[n].moved[k] == 0 }
    clean = clean && (!GONE(n) || (q[n].sequence == 0 && q[n].accepted == 0));
    assert(clean);
    part = 0; /* the newest event of each user, 4 bits each */
    do :: q[n].claimed != 0 || q[n].waiting != 0 ->
          if :: q[n].claimed != 0 -> e = FIRST(q[n].claimed); q[n].claimed = q[n].claimed >> 4; held++
             :: else -> e = FIRST(q[n].waiting); q[n].waiting = q[n].waiting >> 4; taken++ fi;
          in_its_list = (HOME(e) == n || HAS(elsewhere, e));
          assert(in_its_list);
          if :: HAS(loose, e) -> skip
             :: else ->
                x = 4 * USER(e);
                in_order = (((part >> x) & 15) < e); /* oldest first */
                assert(in_order);
                part = (part & ~(15 << x)) | (e << x) fi
       :: else -> break od;
    places = 0;
    do :: q[n].dead != 0 -> e = FIRST(q[n].dead); q[n].dead = q[n].dead >> 4; places++; in_its_list = (HOME(e) == n); assert(in_its_list)
       :: else -> break od;
    counted = (q[n].sequence == q[n].accepted + q[n].dead_lettered + held && places + q[n].replayed + q[n].deleted == q[n].dead_lettered);
    assert(counted);
    held = 0;
    taken = taken + q[n].sequence - q[n].replayed
  }
  for (e : 1 .. LAST) { rest = rest + HAS(present, e) }
  counted = (taken == rest + ACCEPTED || failovers < FAILOVERS);
  assert(counted)
}

/* ---- the mover: operations/reshard.py, operations/redistribute.py, queue/mover.py ---- */

#define M m[me]
#define LIST NTH(M.i, M.stray)
#define HOLDS(l) (q[l].waiting != 0 || q[l].aside != 0 || q[l].claimed != 0 || q[l].dead != 0 || q[l].move != 0)

inline new_token(me) { /* starts to take every lease */
  if :: M.token != 0 && !CHECKED(new_lease) -> skip
     :: else ->
        M.token = 0; x = FIRST_TOKEN;
        do :: x == m[0].token || x == m[1].token || x == late.token || x == q[0].lease || x == q[1].lease ||
              x == q[NL - 1].lease -> x++
           :: else -> break od;
        M.token = x; NOTE_TOKEN fi
}
inline new_mark(me) {
  M.id = 0; x = 1;
  do :: CHECKED(new_id) && (x == m[0].id || x == m[1].id || x == ID(text) ||
              (late.op == mark && (x == ID(late.source) || x == ID(late.number)))) -> x++
     :: else -> break od;
  M.id = x
}
inline skip_others(me) { do :: M.i < NL && !HAS(M.plan, LIST) -> M.i++ :: else -> break od }
inline first_list(me, next) { M.i = 0; skip_others(me); M.at = next }
inline next_list(me, again, after) { /* the next list in the same step; after the last one, the first in the step after */
  M.i++; skip_others(me);
  if :: M.i == NL -> first_list(me, after) :: else -> M.at = again fi
}
inline part_for(me) {
  part = 0;
  if :: M.kind == counts -> if :: M.target == SHARD_0 -> part = M.items :: else fi
     :: else ->
        rest = M.items;
        do :: rest != 0 -> if :: HOME(FIRST(rest)) == M.target -> append(part, FIRST(rest)) :: else fi; rest = rest >> 4
           :: else -> break od fi
}
inline next_part(me) { /* the target of the next part of the page; without one, the page is loaded */
  do :: M.target < NL ->
        part_for(me);
        if :: part != 0 -> break :: else -> M.target++ fi
     :: else -> break od;
  if :: M.target == NL -> M.loaded[LIST] = M.number; M.at = M.phase; M.target = 0; M.items = 0; M.number = 0; M.kind = nothing; M.phase = idle
     :: else fi;
  part = 0
}

inline build(me) { /* the command that the mover sends next */
  c.by = me + 1; c.list = LIST; c.token = M.token;
  if :: M.at == planning || M.at == checking || M.at == checking_when_lost -> c.op = read; c.list = 0; c.token = 0
     :: M.at == marking -> c.op = mark; c.list = 0; c.token = 0; c.source = M.present; c.number = MARK(M.id, M.stray, M.is_tidy)
     :: M.at == owning -> c.op = acquire
     :: M.at == releasing -> c.op = release
     :: M.at == setting_aside -> c.op = set_aside
     :: M.at == scanning -> c.op = scan
     :: M.at == emptying -> c.op = unload_events; c.number = M.loaded[LIST]; c.items = M.fields
     :: M.at == scanning_letters -> c.op = scan_letters; c.token = 0
     :: M.at == emptying_letters -> c.op = unload_letters; c.number = M.loaded[LIST]; c.items = M.fields
     :: M.at == emptying_counts -> c.op = unload_counts; c.number = M.loaded[LIST]
     :: M.at == loading ->
        part_for(me);
        c.op = load; c.list = M.target; c.source = LIST; c.number = M.number; c.items = part; c.kind = M.kind; part = 0
     :: M.at == marking_tidy ->
        c.op = mark; c.list = 0; c.token = 0; c.source = MARK(M.id, M.stray, 0); c.number = MARK(M.id, M.stray, 1)
     :: M.at == tidying -> c.op = tidy
     :: M.at == finishing -> c.op = mark; c.list = 0; c.token = 0; c.source = MARK(M.id, M.stray, M.is_tidy); c.number = AFTER
  fi
}

inline end_run(me, ok_) {
  if :: ok_ -> skip :: else -> printf("# m%d gives up\n", me + 1) fi;
  succeeded = (ok_ || !quiet); /* the last run finishes everything */
  assert(succeeded);
  M.at = idle; M.phase = idle; M.id = 0; M.present = 0; M.token = 0; M.i = 0; M.plan = 0; M.number = 0; M.target = 0;
  M.stray = 0; M.is_tidy = 0; M.fields = 0; M.items = 0; M.kind = nothing;
  for (k : 0 .. NL - 1) { M.loaded[k] = 0 }
}

inline make_plan(me) {
  M.present = text;
  M.stray = (text == AFTER || (ID(text) != 0 && STRAY(text)));
  M.is_tidy = (ID(text) != 0 && TIDYING(text));
  for (k : 0 .. NL - 1) { if :: !GONE(k) || !M.stray || HOLDS(k) -> M.plan = M.plan | (1 << k); n = n + GONE(k) :: else fi }
  if :: text == AFTER && n == 0 -> finished = quiet; end_run(me, 1)
     :: else -> new_mark(me); M.at = marking fi
}
inline own(me) { new_token(me); first_list(me, owning) }
inline begin(me) { if :: M.is_tidy -> first_list(me, tidying) :: else -> first_list(me, setting_aside) fi }
inline unloaded(me, next) {
  if :: r_items != 0 -> M.items = r_items; M.kind = r_kind; M.number = r_number; M.target = 0; M.phase = M.at; M.at = loading
     :: else -> skip fi;
  e = (r_items == 0 && M.fields == 0);
  M.fields = M.fields >> (4 * r_dealt);
  if :: r_items != 0 -> if :: CHECKED(loaded_last) -> skip :: else -> M.loaded[LIST] = r_number fi; next_part(me)
     :: else -> if :: e -> M.at = next :: else fi fi
}
inline misplaced(me) {
  rest = q[LIST].dead; part = 0;
  do :: rest != 0 -> if :: HOME(FIRST(rest)) != LIST -> append(part, FIRST(rest)) :: else fi; rest = rest >> 4
     :: else -> break od;
  M.fields = part; part = 0
}
inline emptied(me) {
  if :: !CHECKED(all_aside_first) && M.i + 1 < NL -> next_list(me, setting_aside, marking_tidy)
     :: else -> next_list(me, scanning, marking_tidy) fi;
  if :: M.at == marking_tidy && !CHECKED(mark_tidy) -> first_list(me, tidying) :: else fi
}

inline advance(me) { /* what the mover does when it has the reply `r` */
  if :: r == rolled_back || r == wrongtype || r == busy || r == otherwise || r == workers -> end_run(me, 0)
     :: r == lost && M.at != releasing -> M.at = checking_when_lost; M.fields = 0; M.items = 0; M.kind = nothing; M.number = 0; M.target = 0; M.phase = idle
     :: else ->
        if :: M.at == planning -> make_plan(me)
           :: M.at == marking -> M.present = 0; if :: CHECKED(mark_first) -> own(me) :: else -> begin(me) fi
           :: M.at == owning -> next_list(me, owning, checking)
           :: M.at == checking ->
              if :: ID(text) != M.id && CHECKED(id_after_own) -> first_list(me, releasing)
                 :: else -> if :: ID(text) == M.id -> M.is_tidy = TIDYING(text) :: else fi; begin(me) fi
           :: M.at == releasing -> M.i++; skip_others(me); if :: M.i == NL -> end_run(me, 0) :: else fi
           :: M.at == setting_aside ->
              if :: CHECKED(all_aside_first) -> next_list(me, setting_aside, scanning) :: else -> M.at = scanning fi
           :: M.at == scanning -> M.fields = q[LIST].claimed; M.at = emptying
           :: M.at == emptying -> unloaded(me, scanning_letters)
           :: M.at == scanning_letters -> misplaced(me); M.at = emptying_letters
           :: M.at == emptying_letters ->
              unloaded(me, emptying_counts);
              if :: M.at == emptying_counts && !GONE(LIST) -> emptied(me) :: else fi
           :: M.at == emptying_counts -> unloaded(me, setting_aside); if :: M.at == setting_aside -> emptied(me) :: else fi
           :: M.at == loading -> M.target++; next_part(me)
           :: M.at == marking_tidy -> M.is_tidy = 1; first_list(me, tidying)
           :: M.at == tidying -> next_list(me, tidying, finishing)
           :: M.at == finishing -> end_run(me, 1)
           :: M.at == checking_when_lost ->
              if :: ID(text) != M.id && CHECKED(id_when_lost) -> end_run(me, 0)
                 :: else -> if :: ID(text) == M.id -> M.is_tidy = TIDYING(text) :: else fi; own(me) fi fi fi
}

#define WRITES (M.at != planning && M.at != checking && M.at != checking_when_lost && M.at != scanning && M.at != scanning_letters)

inline again(me) { /* no acquisition is sent twice: without a reply, all leases are taken anew */
  if :: M.at == owning && CHECKED(token_once) -> own(me) :: else fi
}

proctype Command_of(byte me) {
  do
  :: d_step { M.at == idle && (me == 0 || m[0].at != idle) && !finished && (quiet && me == 0 || !quiet && runs > 0) ->
       printf("# m%d starts\n", me + 1);
       if :: quiet -> skip :: else -> runs-- fi;
       M.at = planning }
  :: d_step { M.at != idle -> build(me); execute(); advance(me); judge(); wait(); forget() }
  :: d_step { M.at != idle && FAULTS -> printf("# m%d is killed\n", me + 1); end_run(me, 0); forget() }
  :: d_step { M.at != idle && FAULTS && resends > 0 && WRITES ->
       resends--; build(me); execute(); printf("# reply lost\n"); again(me); judge(); forget() }
  :: d_step { M.at != idle && FAULTS && copies > 0 && late.op == none && WRITES ->
       copies--; build(me);
       printf("# a copy of m%d's next command comes late\n", me + 1);
       late.op = c.op; late.by = c.by; late.list = c.list; late.token = c.token; late.source = c.source;
       late.number = c.number; late.items = c.items; late.kind = c.kind; again(me); forget() }
#ifndef WALKS
  :: finished -> break
#endif
  od
}

/* ---- everything else ---- */

#define IDLE (m[0].at == idle && m[1].at == idle)

inline arrive() { /* a copy of a command */
  c.op = late.op; c.list = late.list; c.token = late.token; c.source = late.source; c.number = late.number;
  c.items = late.items; c.kind = late.kind;
  late.op = none; late.by = 0; late.list = 0; late.token = 0; late.source = 0; late.number = 0; late.items = 0; late.kind = nothing;
  c.by = 4; execute(); printf("# reply lost\n")
}
#define MOVED_ON(l) (q[l].move != 0 || text == AFTER || (ID(text) != 0 && (STRAY(text) || TIDYING(text))))

inline push(event, l) {
  if :: TRACE -> printf("> producer push list=%c event=%d | pushed\n", 'a' + l, event) :: else fi;
  append(q[l].waiting, event);
  present = present | (1 << event);
  if :: l != HOME(event) && !GONE(l) && MOVED_ON(l) -> elsewhere = elsewhere | (1 << event) :: else fi;
  if :: l != OLD(event) || (!GONE(l) && MOVED_ON(l)) -> loose = loose | (1 << event) :: else fi;
  pushes--
}
inline next_event() { e = (HAS(present, 5) -> 6 : 5) }

#if FAILOVERS
inline copy(to, from) {
  to.lease = from.lease; to.sequence = from.sequence; to.accepted = from.accepted; to.dead_lettered = from.dead_lettered;
  to.replayed = from.replayed; to.deleted = from.deleted; to.move = from.move;
  to.waiting = from.waiting; to.claimed = from.claimed; to.aside = from.aside; to.dead = from.dead; to.stage = from.stage;
  to.staged = from.staged;
  for (k : 0 .. NL - 1) { to.moved[k] = from.moved[k] }
  k = 0
}
inline excuse() {
  for (e : 1 .. LAST) {
    if :: HAS(present, e) && !HAS(gone, e) ->
          places = 0;
          for (n : 0 .. NL - 1) {
            find(q[n].waiting, e); places = places + x; find(q[n].claimed, e); places = places + x;
            find(q[n].aside, e); places = places + x; find(q[n].dead, e); places = places + x;
            if :: q[n].staged == events || q[n].staged == letters -> find(q[n].stage, e); places = places + (x && q[HOME(e)].moved[n] < q[n].move - 1) :: else fi
          }
          if :: places == 0 -> excused = excused | (1 << e); printf("# event %d went down with the master\n", e) :: else fi
       :: else fi
  }
}
#endif

inline start() {
  for (e : 1 .. 4) {
    c.list = OLD(e);
    present = present | (1 << e);
    if :: e == 4 -> append(Q.dead, e); Q.sequence++; Q.dead_lettered++
       :: e == 1 || (e == 2 && SHAPE == 2) -> append(Q.claimed, e); Q.sequence++; stamps = 1; claim_number[e] = e; claim_stamp[e] = 1
       :: else -> append(Q.waiting, e) fi
  }
  loose = 1 << 4;
  c.list = OLD(1); Q.accepted = ACCEPTED; Q.sequence = Q.sequence + ACCEPTED;
  worker_list = OLD(1);
  if :: WORKER > 0 -> worker_token = 1; memory = Q.claimed; Q.lease = 1 :: else fi;
  show_state();
#if FAILOVERS
  copy(replica, q[REPLICA]);
#endif
  if :: TRACE && WORKER > 0 -> printf("> worker attend | attending\n") :: else fi
}
#ifdef WALKS
inline restart() { /* everything as it was at first */
  printf("# walk\n");
  for (n : 0 .. NL - 1) {
    q[n].lease = 0; q[n].sequence = 0; q[n].accepted = 0; q[n].dead_lettered = 0; q[n].replayed = 0; q[n].deleted = 0;
    q[n].waiting = 0; q[n].dead = 0; q[n].claimed = 0; q[n].move = 0; q[n].aside = 0; q[n].stage = 0; q[n].staged = nothing
  }
  text = BEFORE; runs = RUNS; expiries = EXPIRIES; resends = RESENDS; copies = LATE; pushes = PUSHES; person = PERSON;
  commands = WORKER; acquires = ACQUIRES; running = (WORKER > 0); agreed = 1; quiet = 0; finished = 0; patience = PATIENCE; tokens = 4;
  worker_token = 0; memory = 0; present = 0; gone = 0; sent = 0; loose = 0; elsewhere = 0;
  forget(); start()
}
#endif

proctype Faults() {
  do
#if FAILOVERS
  :: d_step { failovers > 0 && FAULTS -> copy(replica, q[REPLICA]); printf("> redis replicate list=%c\n", 'a' + REPLICA); forget() }
  :: d_step { failovers > 0 && FAULTS -> copy(q[REPLICA], replica); failovers--; printf("> redis failover list=%c\n", 'a' + REPLICA); excuse(); forget() }
#endif
  :: d_step { expiries > 0 && FAULTS && q[0].lease != 0 -> q[0].lease = 0; expiries--; printf("> redis expire list=a\n"); judge(); forget() }
  :: d_step { expiries > 0 && FAULTS && q[1].lease != 0 -> q[1].lease = 0; expiries--; printf("> redis expire list=b\n"); judge(); forget() }
  :: d_step { NL > 2 && expiries > 0 && FAULTS && q[NL - 1].lease != 0 -> q[NL - 1].lease = 0; expiries--; printf("> redis expire list=c\n"); judge(); forget() }
  :: d_step { late.op != none && FAULTS -> arrive(); judge(); forget() }
  :: d_step { running && FAULTS -> running = 0; printf("> redis forget\n"); judge(); forget() }
  :: d_step { pushes > 0 && FAULTS -> next_event(); push(e, OLD(e)); judge(); forget() }
  :: d_step { pushes > 0 && FAULTS && OLD(5) != HOME(5) -> next_event(); push(e, HOME(e)); judge(); forget() }
  :: d_step { IDLE && !quiet -> /* the faults end, and what is late comes to nothing */
       printf("# no more faults\n");
       quiet = 1;
       if :: TRACE && running -> printf("> redis forget\n") :: else fi;
       running = 0; commands = 0; acquires = 0; memory = 0; worker_token = 0; pushes = 0; expiries = 0; resends = 0;
       copies = 0; person = 0; runs = 0;
       late.op = none; late.by = 0; late.list = 0; late.token = 0; late.source = 0; late.number = 0; late.items = 0; late.kind = nothing;
       for (n : 0 .. NL - 1) {
         if :: q[n].lease != 0 && !IS_MOVER(q[n].lease) ->
               q[n].lease = 0; if :: TRACE -> printf("> redis expire list=%c\n", 'a' + n) :: else fi
            :: else fi
       }
       forget() }
#ifdef WALKS
  :: d_step { finished && walks > 1 -> judge_end(); walks--; restart(); forget() }
#else
  :: d_step { finished -> judge_end(); forget() } -> break
#endif
  od
}

proctype Person() { /* has read the letter 4 in its old list, and replays or deletes it there, once each */
  do
  :: d_step { person > 0 && FAULTS ->
       person--; c.list = OLD(4);
       find(Q.dead, 4);
       if :: TRACE -> printf("> person replay list=%c event=4", 'a' + c.list) :: else fi;
       if :: Q.move != 0 && CHECKED(replay_moving) -> if :: TRACE -> printf(" | moving\n") :: else fi
          :: else ->
             if :: x -> drop(Q.dead, 4); append(Q.waiting, 4); Q.replayed++; if :: TRACE -> printf(" | pushed\n") :: else fi
                :: else -> if :: TRACE -> printf(" | gone\n") :: else fi fi fi;
       judge(); forget() }
  :: d_step { person > 0 && FAULTS ->
       person--; c.list = OLD(4);
       find(Q.dead, 4);
       if :: TRACE -> printf("> person delete list=%c event=4", 'a' + c.list) :: else fi;
       if :: Q.move != 0 && CHECKED(delete_moving) -> if :: TRACE -> printf(" | moving\n") :: else fi
          :: else ->
             if :: x -> drop(Q.dead, 4); Q.deleted++; gone = gone | (1 << 4); if :: TRACE -> printf(" | deleted\n") :: else fi
                :: else -> if :: TRACE -> printf(" | gone\n") :: else fi fi fi;
       judge(); forget() }
#ifndef WALKS
  :: quiet -> break
#endif
  od
}

inline post() { /* e is sent: all older events of its user were, unless the API refused them or order was not promised */
  for (n : 1 .. LAST) {
    if :: n < e && HAS(present, n) && !HAS(loose, n) && !HAS(sent, n) && !HAS(sent, e) && !HAS(loose, e) && USER(n) == USER(e) ->
          printf("# event %d is sent before event %d\n", e, n); in_order = 0; assert(in_order)
       :: else fi
  }
  sent = sent | (1 << e)
}

inline ask(l) { /* it had reported that it runs before the resharding began */
  acquires--; worker_list = l; worker_token = 2; c.op = acquire; c.by = 3; c.list = l; c.token = 2;
  execute();
  if :: r == ok -> memory = Q.claimed; agreed = !CHECKED(agree_when_owner) :: else -> worker_token = 0; memory = 0 fi
}

proctype Worker() { /* was frozen, and wakes: it settles, claims, gives back, and asks for the lease again */
  do
  :: d_step { commands > 0 && worker_token != 0 && agreed && memory != 0 -> /* the API accepts its oldest event */
       commands--; c.list = worker_list;
       e = FIRST(memory); memory = memory >> 4;
       printf("# worker POST event=%d | accepted\n", e);
       post();
       if :: TRACE -> printf("> worker settle list=%c token=%d accepted=%d-%d |", 'a' + c.list, worker_token, claim_number[e], claim_stamp[e]) :: else fi;
       find(Q.claimed, e);
       if :: Q.lease != worker_token && CHECKED(settle_token) -> memory = 0; worker_token = 0; if :: TRACE -> printf(" lost\n") :: else fi
          :: else ->
             if :: x -> drop(Q.claimed, e); Q.accepted++; gone = gone | (1 << e); if :: TRACE -> printf(" settled\n") :: else fi
                :: else -> memory = 0; worker_token = 0; if :: TRACE -> printf(" rolled_back\n") :: else fi fi fi;
       judge(); forget() }
  :: d_step { commands > 0 && worker_token != 0 && agreed -> /* claims one event */
       commands--; c.list = worker_list;
       if :: TRACE -> printf("> worker claim list=%c token=%d most=1 |", 'a' + c.list, worker_token) :: else fi;
       if :: Q.lease != worker_token && CHECKED(claim_token) -> memory = 0; worker_token = 0; if :: TRACE -> printf(" lost\n") :: else fi
          :: else ->
             e = FIRST(Q.waiting); Q.waiting = Q.waiting >> 4;
             if :: e != 0 ->
                   append(Q.claimed, e); append(memory, e); Q.sequence++; stamps++;
                   claim_number[e] = Q.sequence; claim_stamp[e] = stamps
                :: else fi;
             if :: TRACE && e != 0 -> printf(" claimed stamp=%d events=%d\n", stamps, e)
                :: TRACE && e == 0 -> printf(" claimed stamp=0 events=-\n")
                :: else fi fi;
       judge(); forget() }
  :: d_step { commands > 0 && worker_token != 0 && agreed -> /* gives the list back */
       commands--; c.list = worker_list; c.token = worker_token; c.by = 3; c.op = release;
       execute(); memory = 0; worker_token = 0; judge(); forget() }
  :: d_step { acquires > 0 && worker_token == 0 && FAULTS -> ask(0); judge(); forget() }
  :: d_step { acquires > 0 && worker_token == 0 && FAULTS && SHAPE != 2 -> ask(1); judge(); forget() }
  :: d_step { worker_token != 0 && !agreed && text == BEFORE -> printf("> worker read | text=%d\n", text); agreed = 1 }
  :: d_step { text != BEFORE && worker_token != 0 -> memory = 0; worker_token = 0; commands = 0; printf("# the worker stops\n") }
#ifndef WALKS
  :: quiet -> break
#endif
  od
}

init {
  atomic {
    d_step { start(); forget() }
    run Command_of(0); run Command_of(1); run Faults();
    if :: WORKER || ACQUIRES -> run Worker() :: else fi;
    if :: PERSON -> run Person() :: else fi
  }
}
