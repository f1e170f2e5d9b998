/* Messages, two paths, failover, rekey and parking of one XTMP/1 session:
   chapters 8, 11.7 and 13. README.md says what is left out and how to read a
   counterexample. Path 0 is a UDP path (p0), path 1 a TCP path.

   A frame in flight is a bit: nc[] from the client, ns[] from the server, one mask
   per path and epoch. A mask has no order, so datagrams overtake each other; a bit
   that is not taken out is late; loss clears a mask. On the TCP path the frames of
   an epoch come before those of the next, and none is lost unless the path ends.

   Message 0 is RekeyInit with RekeyResp, messages 1 and 2 are requests with replies.
   Until `healed` everything may happen at any time. Afterwards frames arrive, and
   only when none is left a tick runs all timers once; what is not finished after
   TICKS of them never will be. */

#ifndef N
#define N 1                     /* requests, 0 to 2 */
#endif
#ifndef F
#define F 4                     /* suspicions, losses, ends of paths, early timers */
#endif
#define TICKS 8
#define UDP 0
#define TCP 1

#define RK   1                  /* RekeyInit, RekeyResp */
#define REL  7                  /* what has REQUIRES_ACK: messages 0, 1, 2 */
#define PING 64                 /* from the server: PONG */
#define ACKOF(m) ((m) << 3)

#if N == 0
#define ALL 1
#elif N == 1 && defined(REKEY)
#define ALL 3
#elif N == 1
#define ALL 2
#else
#define ALL 6
#endif

byte nc[4]; byte ns[4];         /* frames in flight, [2 * path + epoch] */

/* the client */
bool c_sus[2]; bool c_clo[2];   /* suspect, closed */
bool c_by[2];                   /* standby path */
byte c_cur;                     /* current path */
byte c_sent; byte c_ack; byte c_ans;   /* messages sent, acknowledged, answered */
byte c_tcp;                     /* messages sealed on this TCP connection */
bool c_e1; bool c_no0; bool c_conf;    /* root 1 held, root 0 erased, confirmed */
bool c_sw[2];                   /* switched */
byte c_att; byte c_slot;        /* attempt to attach: 1 + epoch, and its path */

/* the server */
bool s_sus[2]; bool s_clo[2]; bool s_by[2];
bool s_open[2];                 /* attached, nothing opened yet */
bool s_moved[2];                /* the path has moved the session, or was its first */
byte s_cur;
byte s_seen; byte s_exec; byte s_done; byte s_rack;  /* complete, executed, replied, reply acknowledged */
byte s_from;                    /* bit m: newest copy of m came on TCP */
byte s_on[2];                   /* replies sealed on the path */
bool s_e1; bool s_no0; bool s_conf; bool s_sw[2];
byte att_c; byte att_s;         /* Attach, AttachAck in flight: 1 + epoch */
#ifdef MUTANT_DEDUP_PER_PATH
byte s_seenon[2];
#endif

/* the network */
byte faults = F;                /* how many more things may go wrong before healing */
bool healed; byte works;        /* after healing: bit p, path p carries frames */
byte ticks;
byte b; byte w;                 /* scratch */

#define C_LIVE(p) (!c_clo[p] && !c_sus[p])
#define S_LIVE(p) (!s_clo[p] && !s_sus[p] && !s_open[p])
#define C_UNACKED (c_sent & ~c_ack)
#define S_UNACKED (s_done & ~s_rack)
#define WORKS(p) ((works >> (p)) & 1)
#define CARRIES(p) (!healed || WORKS(p))
#ifdef MUTANT_CLIENT_WAITS
#define C_EP(p) (c_sw[p])
#else
#define C_EP(p) (c_e1)
#endif
#ifdef MUTANT_EARLY_KEY_SWITCH
#define S_EP(p) (s_e1)
#else
#define S_EP(p) (s_sw[p])
#endif

/* A message is sealed once per TCP connection [XTMP-MSG-012]. */
inline c_send(p, m) {
  w = m;
  if :: p == TCP -> w = w & ~(c_tcp & REL); c_tcp = c_tcp | (w & REL) :: else fi;
  if :: c_clo[p] || (C_EP(p) == 0 && c_no0) :: else -> nc[2*(p)+C_EP(p)] = nc[2*(p)+C_EP(p)] | w fi;
  w = 0
}
inline s_send(p, m) {
  w = m;
  if
  :: s_clo[p] || s_open[p] || (S_EP(p) == 0 && s_no0)   /* nothing to seal under */
  :: else ->
     if :: p == TCP -> w = w & ~(s_on[TCP] & REL) :: else fi;
     s_on[p] = s_on[p] | (w & REL);
     ns[2*(p)+S_EP(p)] = ns[2*(p)+S_EP(p)] | w
  fi;
  w = 0
}

/* A TCP connection that ends takes what is in flight along; a UDP path that one end
   has forgotten is closed at the other by its own timer. */
inline end_path(p) {
  c_clo[p] = true; s_clo[p] = true; c_sus[p] = false; s_sus[p] = false; s_open[p] = false;
  nc[2*(p)] = 0; nc[2*(p)+1] = 0; ns[2*(p)] = 0; ns[2*(p)+1] = 0
}

inline c_move(p) {
  c_cur = p;
#ifndef MUTANT_FORGET_UNACKED_ON_FAILOVER
  if
  :: C_UNACKED != 0 -> c_send(p, C_UNACKED)                                /* PTH-021 */
  :: C_UNACKED == 0 && c_by[p] && (c_sent & ~c_ans & 1) -> c_send(p, 1)    /* PTH-022 */
  :: C_UNACKED == 0 && c_by[p] && !(c_sent & ~c_ans & 1) && (c_sent & ~c_ans & 2) -> c_send(p, 2)
  :: C_UNACKED == 0 && c_by[p] && !(c_sent & ~c_ans & 3) && (c_sent & ~c_ans & 4) -> c_send(p, 4)
  :: else -> c_send(p, PING)
  fi;
#endif
  c_by[p] = false
}

inline s_move(p) {
  assert(!s_moved[p]);                             /* a path moves a session once: 0038 */
  assert(!c_by[p]);                                /* and to where the client has moved before */
  s_moved[p] = true; s_by[p] = false;
#ifdef MUTANT_LEFT_IS_STANDBY
  s_by[s_cur] = true;
#endif
#ifdef WITNESS_TWO_MINDS
  assert(c_cur == p);                              /* the client may have left it again */
#endif
  s_cur = p;
#ifdef MUTANT_SERVER_FORGETS_REPLIES
  skip
#else
  s_send(p, S_UNACKED)                             /* PTH-029 */
#endif
}

/* The reply goes where the newest copy of its request came from, else to the
   current path, else to any live one; with none it waits [PTH-013, -016, -017]. */
inline s_reply(m) {
  if
  :: (s_from & m) && S_LIVE(TCP) -> s_send(TCP, m)
  :: !(s_from & m) && S_LIVE(UDP) -> s_send(UDP, m)
#ifdef MUTANT_BECOMES_SUSPECT
  :: else -> s_send(s_cur, m)
#else
  :: else -> if :: S_LIVE(s_cur) -> s_send(s_cur, m)
             :: !S_LIVE(s_cur) && S_LIVE(1-s_cur) -> s_send(1-s_cur, m) :: else fi
#endif
  fi
}

/* What was sealed on no live path goes to a live one. */
inline s_shift() {
#ifdef MUTANT_SERVER_FORGETS_REPLIES
  skip
#else
  if
  :: S_LIVE(UDP) && !S_LIVE(TCP) -> s_send(UDP, S_UNACKED & ~s_on[UDP])
  :: S_LIVE(TCP) && !S_LIVE(UDP) -> s_send(TCP, S_UNACKED & ~s_on[TCP])
  :: else -> if :: S_LIVE(s_cur) -> s_send(s_cur, S_UNACKED & ~(s_on[UDP] | s_on[TCP])) :: else fi
  fi
#endif
}

/* A suspect path is live again; what waited for want of one goes there [PTH-017]. */
inline s_hear(p) {
  if
  :: !S_LIVE(0) && !S_LIVE(1) -> s_sus[p] = false; s_shift()
  :: else -> s_sus[p] = false
  fi
}

inline s_request(p, m) {
#ifdef MUTANT_DEDUP_PER_PATH
  if :: !(s_seenon[p] & m) && (s_seen & m) -> s_done = s_done & ~m :: else fi;
  s_seenon[p] = s_seenon[p] | m;
#endif
  if :: !(s_done & m) -> s_from = (p == TCP -> s_from | m : s_from & ~m) :: else fi;
  if
  :: !(s_seen & m) -> s_seen = s_seen | m
  :: else ->
#ifdef MUTANT_NO_DEDUP
     s_done = s_done & ~m
#else
     if :: S_UNACKED & m -> s_send(p, m) :: else fi       /* PTH-031, UDP-098, RKY-051 */
#endif
  fi;
#ifndef NO_ACKS                                   /* a reply acknowledges too */
  s_send(p, ACKOF(m));
#endif
  if
  :: m == RK && !s_e1 -> s_e1 = true;                    /* RKY-048 */
#ifdef MUTANT_RETIRE_ON_INIT
     s_no0 = true
#endif
  :: else
  fi
}

inline s_execute(m) {
  assert(!(s_exec & m));                            /* nothing is executed twice */
  s_exec = s_exec | m; s_done = s_done | m;
  s_reply(m);
  s_from = s_from & ~m
}

inline s_recv(p, e) {
  if :: nc[2*(p)+e] & 1 -> b = 1 :: nc[2*(p)+e] & 2 -> b = 2 :: nc[2*(p)+e] & 4 -> b = 4
     :: nc[2*(p)+e] & 8 -> b = 8 :: nc[2*(p)+e] & 16 -> b = 16 :: nc[2*(p)+e] & 32 -> b = 32
     :: nc[2*(p)+e] & PING -> b = PING fi;
  nc[2*(p)+e] = nc[2*(p)+e] & ~b;
  if
  :: s_clo[p]                                       /* its keys are gone: dropped */
  :: !s_clo[p] && e == 1 && !s_e1 -> assert(false)  /* a key that its receiver never had */
#ifndef MUTANT_OPEN_AFTER_ERASURE
  :: !s_clo[p] && e == 0 && s_no0 -> if :: p == TCP -> end_path(p) :: else fi
#endif
  :: else ->
     assert(!(e == 0 && s_no0));                    /* a key that was dropped opens nothing */
     s_hear(p);
     if :: e == 1 -> s_sw[p] = true; s_conf = true :: else fi;
     if
     :: s_open[p] -> s_open[p] = false; if :: !s_by[p] -> s_move(p) :: else fi
#ifdef MUTANT_ANY_FRAME_MOVES
     :: !s_open[p] && s_by[p] -> s_move(p)
#else
     :: !s_open[p] && s_by[p] && (b & REL) -> s_move(p)
#endif
     :: else
     fi;
     if
     :: b & REL -> s_request(p, b)
     :: b == PING -> s_send(p, PING)
     :: else -> assert(s_exec & (b >> 3)); s_rack = s_rack | (b >> 3);
        s_on[0] = s_on[0] & ~s_rack; s_on[1] = s_on[1] & ~s_rack   /* no longer of interest */
     fi
  fi;
  b = 0
}

inline c_recv(p, e) {
  if :: ns[2*(p)+e] & 1 -> b = 1 :: ns[2*(p)+e] & 2 -> b = 2 :: ns[2*(p)+e] & 4 -> b = 4
     :: ns[2*(p)+e] & 8 -> b = 8 :: ns[2*(p)+e] & 16 -> b = 16 :: ns[2*(p)+e] & 32 -> b = 32
     :: ns[2*(p)+e] & PING -> b = PING fi;
  ns[2*(p)+e] = ns[2*(p)+e] & ~b;
  if
  :: c_clo[p]
  :: !c_clo[p] && e == 1 && !c_e1 -> assert(false)
  :: !c_clo[p] && e == 0 && c_no0 -> if :: p == TCP -> end_path(p) :: else fi
  :: else ->
     assert(!(e == 0 && c_no0));
     c_sus[p] = false;
     if :: e == 1 -> c_sw[p] = true; c_conf = true :: else fi;
     if
     :: b & REL ->
        assert(s_exec & b);                         /* answered: executed */
        c_ack = c_ack | b; c_ans = c_ans | b;
        if
        :: b == RK && !c_e1 -> c_e1 = true;         /* RKY-045, -046 */
           c_send(UDP, PING); c_send(TCP, PING)
        :: else
        fi;
        c_send(p, ACKOF(b))
     :: b == PING
     :: else -> assert(s_seen & (b >> 3)); c_ack = c_ack | (b >> 3)   /* acknowledged: queued */
     fi
  fi;
  b = 0
}

/* Attach and AttachAck; the path takes the place of one that the client has closed. */
inline c_attach(p) {
  c_slot = p; c_att = 1 + c_e1; att_c = c_att; att_s = 0      /* newest root: ATT-003 */
}
inline s_attach() {
  if
  :: (att_c == 1 && s_no0) || (att_c == 2 && !s_e1) -> att_c = 0   /* no such attach slot */
  :: else ->
     if :: att_c == 2 -> s_conf = true :: else fi;
     end_path(c_slot);
     s_clo[c_slot] = false; s_open[c_slot] = true; s_by[c_slot] = false; s_moved[c_slot] = false;
     s_on[c_slot] = 0; s_sw[c_slot] = (att_c == 2);
     att_s = att_c; att_c = 0
  fi
}
inline c_attached() {
  if
  :: c_att == 0 || (att_s == 1 && c_no0)
  :: else ->
     if :: att_s == 2 -> c_conf = true :: else fi;
     c_clo[c_slot] = false; c_sus[c_slot] = false; c_by[c_slot] = false;
     c_sw[c_slot] = (att_s == 2);
     if :: c_slot == TCP -> c_tcp = 0 :: else fi;
     c_move(c_slot)
  fi;
  att_s = 0; c_att = 0; c_slot = 0
}

/* Retirement [RKY-056 to -058]. */
#define C_SWITCHED ((!C_LIVE(0) || c_sw[0]) && (!C_LIVE(1) || c_sw[1]))
#define S_SWITCHED ((!S_LIVE(0) || s_sw[0]) && (!S_LIVE(1) || s_sw[1]))
#ifdef MUTANT_RETIRE_UNCONFIRMED
#define S_RETIRES (s_e1 && S_SWITCHED)
#else
#define S_RETIRES (s_conf && S_SWITCHED)
#endif
inline unswitched_close_c() {
  if :: !c_clo[0] && !c_sw[0] -> c_clo[0] = true :: else fi;
  if :: !c_clo[1] && !c_sw[1] -> c_clo[1] = true :: else fi
}
inline unswitched_close_s() {
  if :: !s_clo[0] && !s_sw[0] -> s_clo[0] = true :: else fi;
  if :: !s_clo[1] && !s_sw[1] -> s_clo[1] = true :: else fi
}

#define BAD (!healed && faults)
#define USABLE(p) (!c_clo[p] && !s_clo[p])
#define FINISHED (c_sent == ALL && c_ans == ALL && s_exec == ALL && s_rack == ALL)
#define ONE_EPOCH (!(ALL & 1) || (c_e1 && s_e1 && c_conf && s_conf && c_no0 && s_no0))

/* All timers, once, when nothing is in flight any more. */
inline tick_path(p) {
  if
  :: !WORKS(p) -> c_sus[p] = !c_clo[p];
     if :: S_LIVE(p) -> s_sus[p] = true; s_shift() :: else fi
  :: WORKS(p) && c_clo[p] != s_clo[p] && c_att == 0 -> end_path(p)
  :: else -> c_send(p, PING)
  fi
}
inline tick() {
  ticks++;
  c_att = 0; att_c = 0; att_s = 0; c_slot = 0;      /* an attempt under way ends */
  tick_path(UDP); tick_path(TCP);
  if
  :: C_LIVE(c_cur) -> c_send(c_cur, ALL & ~c_sent); c_sent = ALL;
     if :: c_cur == UDP -> c_send(UDP, C_UNACKED) :: else fi
  :: c_cur == TCP && !C_LIVE(TCP) && C_LIVE(UDP) -> c_move(UDP)
  :: c_cur == UDP && !C_LIVE(UDP) && C_LIVE(TCP) -> c_move(TCP)
#ifdef PARK
  :: !C_LIVE(0) && !C_LIVE(1) && c_att == 0 && (WORKS(0) && c_clo[0]) -> c_attach(0)
  :: !C_LIVE(0) && !C_LIVE(1) && c_att == 0 && !(WORKS(0) && c_clo[0]) && WORKS(1) && c_clo[1] -> c_attach(1)
#endif
  :: else
  fi;
  if :: S_LIVE(UDP) -> s_send(UDP, S_UNACKED & s_on[UDP]) :: else fi;
#ifndef MUTANT_BECOMES_SUSPECT
  s_shift();
#endif
  if :: c_conf && C_SWITCHED -> c_no0 = true :: else fi;
  if :: S_RETIRES -> s_no0 = true :: else fi
}

active proctype Session() {
  s_moved[0] = true;
#ifdef ONE_PATH
  c_clo[1] = true; s_clo[1] = true;
#else
  c_by[1] = true; s_by[1] = true;                   /* attached, standby */
#endif
  do
  /* frames arrive */
  :: CARRIES(0) && nc[0] -> atomic { s_recv(0, 0) }
  :: CARRIES(0) && nc[1] -> atomic { s_recv(0, 1) }
  :: CARRIES(1) && nc[2] -> atomic { s_recv(1, 0) }
  :: CARRIES(1) && nc[3] && !nc[2] -> atomic { s_recv(1, 1) }
  :: CARRIES(0) && ns[0] -> atomic { c_recv(0, 0) }
  :: CARRIES(0) && ns[1] -> atomic { c_recv(0, 1) }
  :: CARRIES(1) && ns[2] -> atomic { c_recv(1, 0) }
  :: CARRIES(1) && ns[3] && !ns[2] -> atomic { c_recv(1, 1) }
  /* the server executes, parked or not */
  :: s_seen & ~s_done & 1 -> atomic { s_execute(1) }
  :: s_seen & ~s_done & 2 -> atomic { s_execute(2) }
  :: s_seen & ~s_done & 4 -> atomic { s_execute(4) }
#ifdef PARK
  :: att_c && CARRIES(c_slot) -> atomic { s_attach() }
  :: att_s && CARRIES(c_slot) -> atomic { c_attached() }
#endif

  /* before healing: calls, timers, loss and failure, at any time */
  :: !healed && C_LIVE(c_cur) && (ALL & ~c_sent) ->
     atomic {
       if :: ALL & ~c_sent & 1 -> b = 1 :: ALL & ~c_sent & 2 -> b = 2
          :: (ALL & ~c_sent & 4) && !(ALL & ~c_sent & 2) -> b = 4 fi;
       c_sent = c_sent | b; c_send(c_cur, b); b = 0 }
  :: !healed && c_cur == TCP && !C_LIVE(TCP) && C_LIVE(UDP) -> atomic { c_move(UDP) }
  :: !healed && c_cur == UDP && !C_LIVE(UDP) && C_LIVE(TCP) -> atomic { c_move(TCP) }
#ifndef MUTANT_BECOMES_SUSPECT
  :: !healed && (S_UNACKED & ~(s_on[0] | s_on[1])) && (S_LIVE(0) || S_LIVE(1)) -> atomic { s_shift() }
#endif
  :: BAD && c_cur == UDP && C_LIVE(UDP) && C_UNACKED -> atomic { faults--; c_send(UDP, C_UNACKED) }
  :: BAD && S_LIVE(UDP) && (S_UNACKED & s_on[UDP]) -> atomic { faults--; s_send(UDP, S_UNACKED & s_on[UDP]) }
  :: BAD && C_LIVE(0) -> atomic { faults--; c_sus[0] = true }
  :: BAD && C_LIVE(1) -> atomic { faults--; c_sus[1] = true }
  :: BAD && S_LIVE(0) -> atomic { faults--; s_sus[0] = true; s_shift() }
  :: BAD && S_LIVE(1) -> atomic { faults--; s_sus[1] = true; s_shift() }
  :: BAD && (nc[0] || nc[1]) -> atomic { faults--; nc[0] = 0; nc[1] = 0 }
  :: BAD && (ns[0] || ns[1]) -> atomic { faults--; ns[0] = 0; ns[1] = 0 }
  :: BAD && USABLE(1) -> atomic { faults--; end_path(1); s_shift() }
  /* a PING or PONG that only says that a path is alive */
  :: !healed && c_sus[0] && !s_clo[0] -> c_sus[0] = false
  :: !healed && c_sus[1] && !s_clo[1] -> c_sus[1] = false
  :: !healed && s_sus[0] && !c_clo[0] -> atomic { s_hear(0) }
  :: !healed && s_sus[1] && !c_clo[1] -> atomic { s_hear(1) }
#ifdef REKEY
  :: !healed && c_e1 && !c_sw[0] && !c_clo[0] && !(nc[1] & PING) -> atomic { c_send(UDP, PING) }  /* RKY-047 */
  :: !healed && c_conf && !c_no0 && C_SWITCHED -> c_no0 = true
  :: !healed && S_RETIRES && !s_no0 -> s_no0 = true
  :: BAD && c_conf && !c_no0 -> atomic { faults--; unswitched_close_c(); c_no0 = true }
  :: BAD && s_conf && !s_no0 -> atomic { faults--; unswitched_close_s(); s_no0 = true }
#endif
#ifdef PARK
  :: BAD && !c_clo[0] -> atomic { faults--; c_sus[0] = false; c_clo[0] = true }
  :: BAD && !s_clo[0] -> atomic { faults--; s_sus[0] = false; s_open[0] = false; s_clo[0] = true }
  :: !healed && c_clo[0] && !C_LIVE(1) && c_att == 0 -> atomic { c_attach(0) }
  :: !healed && c_clo[1] && !C_LIVE(0) && c_att == 0 -> atomic { c_attach(1) }
  :: BAD && c_att != 0 -> atomic { faults--; c_att = 0; att_c = 0; att_s = 0; c_slot = 0 }
#endif
  :: !healed ->
     atomic {
       healed = true; faults = 0;
       if :: works = 1 :: works = 2 :: works = 3 fi
     }
  :: else ->
     if
     :: FINISHED && ONE_EPOCH -> break
#ifndef PARK
     :: !(WORKS(0) && USABLE(0)) && !(WORKS(1) && USABLE(1)) -> break   /* no path is left */
#endif
     :: else -> atomic { assert(ticks < TICKS); tick() }   /* progress once healed */
     fi
  od
}
