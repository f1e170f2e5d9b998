/* Fragmented messages that change their path: 8.11, 12.8, 12.11, 13.6 and 13.8 of
   XTMP/1. README.md says what is left out and how to read a counterexample.

   LOST: one message of two fragments, a client that moves between PATHS UDP paths,
   to and fro, and may cut the message anew once, a server that closes paths and so
   may park. A message that counts as acknowledged is complete. What was sent may
   arrive at any time, again or never: loss, copies and retransmission in one.
   FIFTH: MESSAGES messages of two fragments each, sent on UDP and then, whole, on
   TCP, to a receiver that takes LIMIT incomplete messages on each. No conforming
   sender commits a violation. The numbers stand for 5 and 4. */

#define WHOLE 3                 /* both fragments */
#ifdef LOST
#ifndef PATHS
#define PATHS 2
#endif
#define CUT(c) (WHOLE << (2 * (c)))    /* bits 0 and 1 of the first cut, 2 and 3 of the second */
#define CUTOF(x) ((x) > 2)

byte fly[PATHS];                /* fragments sent */
byte acks[PATHS];               /* fragments that arrived, and are acknowledged */
byte path; byte cut;            /* where the client sends, and its newest cut */
byte acked[PATHS];              /* fragments acknowledged, by path [ACK-032] */
byte shut;                      /* paths closed at the server */
byte held; byte newest;         /* fragments held, and their cut */
byte on;                        /* paths on which the message is incomplete */
bool complete; bool done;
byte f;                         /* the path that the network looks at */

#if defined(MUTANT_ACKS_ADD_UP) && PATHS == 2
#define ACKED(p) (acked[0] | acked[1])
#elif defined(MUTANT_ACKS_ADD_UP)
#define ACKED(p) (acked[0] | acked[1] | acked[2])
#else
#define ACKED(p) acked[p]
#endif
#ifdef MUTANT_OLD_CUT_COUNTS
#define ACKNOWLEDGED(p) ((ACKED(p) & CUT(0)) == CUT(0) || (ACKED(p) & CUT(1)) == CUT(1))
#else
#define ACKNOWLEDGED(p) ((ACKED(p) & CUT(cut)) == CUT(cut))
#endif

/* The client moves to p: the message goes there whole [PTH-034]. */
inline move(p) {
  path = p;
#ifndef UNCUT
  if :: cut == 0 -> cut = 1 :: true fi;                          /* cut anew, or not [PTH-035] */
#endif
#ifdef MUTANT_ACKED_LEFT_OUT
  fly[p] = fly[p] | (CUT(cut) & ~(acked[0] | acked[1]));
  acked[p] = acked[p] | (CUT(cut) & (acked[0] | acked[1]))
#else
  fly[p] = fly[p] | CUT(cut)
#endif
}

inline arrive(p, x) {
  if
  :: shut & (1 << p)                                             /* its keys are gone: dropped */
  :: else ->
     if
     :: complete || CUTOF(x) < newest                            /* repeated mid, older cut [FRG-018] */
     :: else ->
        if :: CUTOF(x) > newest -> newest = 1; held = 0; on = 0 :: else fi;    /* [FRG-017] */
        held = held | x; on = on | (1 << p);
        if :: held == CUT(newest) -> complete = true; held = 0; on = 0 :: else fi
     fi;
     acks[p] = acks[p] | x
  fi
}
inline acknowledge(p, x) {
  acked[p] = acked[p] | x;
  if
  :: ACKNOWLEDGED(p) && !done -> assert(complete); done = true   /* [ACK-031] */
  :: else
  fi
}
/* A path ends at the server; what is incomplete on no other goes [PRK-021]. */
inline end(p) {
  shut = shut | (1 << p);
#ifdef MUTANT_DROPPED_EARLY
#define DROPS(p) (on & (1 << p))
#else
#define DROPS(p) ((on & ~shut) == 0)
#endif
  if :: DROPS(p) -> held = 0; on = 0; newest = 0 :: else fi
}

active proctype Lost() {
  fly[0] = CUT(0);
  do
  :: !done && f < PATHS - 1 -> f++
  :: !done && f > 0 -> f--
  :: !done && fly[f] & 1 -> atomic { arrive(f, 1) }
  :: !done && fly[f] & 2 -> atomic { arrive(f, 2) }
  :: !done && fly[f] & 4 -> atomic { arrive(f, 4) }
  :: !done && fly[f] & 8 -> atomic { arrive(f, 8) }
  :: !done && acks[f] & ~acked[f] & 1 -> atomic { acknowledge(f, 1) }
  :: !done && acks[f] & ~acked[f] & 2 -> atomic { acknowledge(f, 2) }
  :: !done && acks[f] & ~acked[f] & 4 -> atomic { acknowledge(f, 4) }
  :: !done && acks[f] & ~acked[f] & 8 -> atomic { acknowledge(f, 8) }
  :: !done && !(shut & (1 << f)) -> atomic { end(f) }
  :: !done && f != path -> atomic { move(f) }
  :: done -> break
  od
}
#else

#define MESSAGES 2
#define LIMIT 1
byte udp[MESSAGES]; byte tcp[MESSAGES];   /* fragments in flight */
byte held[MESSAGES];
bool on_u[MESSAGES]; bool on_t[MESSAGES]; /* incomplete on UDP, on the TCP connection [8.11] */
bool complete[MESSAGES];
byte next;                      /* message that TCP delivers next: in the order of mid */
bool moved;

#ifdef MUTANT_FIFTH_COUNTS_ALL
#define ON_TCP(m) (on_t[m] || on_u[m])
#else
#define ON_TCP(m) on_t[m]
#endif

inline take(m, x) {
  held[m] = held[m] | x;
  if :: held[m] == WHOLE -> complete[m] = true; held[m] = 0; on_u[m] = false; on_t[m] = false :: else fi
}
inline by_udp(m, x) {
  udp[m] = udp[m] & ~x;
  if
  :: complete[m] || (!on_u[m] && on_u[0] + on_u[1] >= LIMIT)      /* repeated, or dropped [UDP-094] */
  :: else -> on_u[m] = true; take(m, x)
  fi
}
inline by_tcp(m, x) {
  tcp[m] = tcp[m] & ~x;
  assert(complete[m] || ON_TCP(m) || ON_TCP(0) + ON_TCP(1) < LIMIT);      /* a violation [FRG-015] */
  if :: !complete[m] -> on_t[m] = true; take(m, x) :: else fi;
  if :: tcp[m] == 0 -> next++ :: else fi
}

active proctype Fifth() {
  udp[0] = WHOLE; udp[1] = WHOLE;
  do
  :: udp[0] & 1 -> atomic { by_udp(0, 1) }
  :: udp[0] & 2 -> atomic { by_udp(0, 2) }
  :: udp[1] & 1 -> atomic { by_udp(1, 1) }
  :: udp[1] & 2 -> atomic { by_udp(1, 2) }
  :: udp[0] || udp[1] -> atomic { if :: udp[0] = 0 :: udp[1] = 0 fi }    /* loss */
  :: !moved -> atomic {
       moved = true; tcp[0] = WHOLE; tcp[1] = WHOLE;
#ifdef MUTANT_INTERLEAVED
       next = MESSAGES
#endif
     }
  :: moved && next == 0 && tcp[0] & 1 -> atomic { by_tcp(0, 1) }
  :: moved && next == 0 && tcp[0] == 2 -> atomic { by_tcp(0, 2) }
  :: moved && next == 1 && tcp[1] & 1 -> atomic { by_tcp(1, 1) }
  :: moved && next == 1 && tcp[1] == 2 -> atomic { by_tcp(1, 2) }
#ifdef MUTANT_INTERLEAVED
  :: moved && next >= MESSAGES && tcp[0] & 1 -> atomic { by_tcp(0, 1) }
  :: moved && next >= MESSAGES && tcp[1] & 1 -> atomic { by_tcp(1, 1) }
#endif
  :: moved && next == MESSAGES && udp[0] == 0 && udp[1] == 0 -> break
  od;
#ifndef MUTANT_INTERLEAVED
  assert(complete[0] && complete[1])
#endif
}
#endif
