/* The handshake of XTMP/1 on UDP: 12.3, 12.4, 12.5. README.md says what is left out
   and how to read a counterexample.

   One client at HOME that may move to AWAY (MOVES), one server with SLOTS handshakes,
   and a stranger at EVIL (STRANGER) who forges sources (VICTIM is somebody else), sees the client's
   tokens, forges Retry and injects a second fragment. A datagram in flight is a bit;
   it may be lost, late, delivered again and out of order. Cryptography is perfect: a
   flight names the ClientHello that the server put together, 0 for the client's own.
   `healed` and ticks are those of session.pml. */

#define HOME 0
#define AWAY 1
#define EVIL 2
#define VICTIM 3
#define NONE 4                  /* no token, or a forged one */
#define SLOTS 2
#define RETRIES 2               /* N_RETRY_COOKIE */
#define RESENDS 2               /* flight_resends */
#ifndef F
#define F 4                     /* losses, copies, early timers, moves, forgeries */
#endif
#define TICKS 8
#define BIT(x) (1 << (x))

mtype = { Hello, Finish, Est, Failed };
mtype c_st = Hello;
byte c_addr = HOME; byte c_token = NONE; byte c_retries; bool c_moved;
byte c_sid = SLOTS;             /* the handshake that the client has finished */
byte c_sh;                      /* ServerHellos held, by slot */
bool c_hint;                    /* a Retry was forged */

/* Datagrams: ClientHello fragments by source, one bit per token; then one bit per slot. */
byte h0[4]; byte h1[4]; byte forged[4];
byte retry[4];                  /* to the source */
byte sh; byte sf;               /* ServerHello, ServerFlight */
byte cf[2];                     /* ClientFinish, by source */
byte hd;                        /* HandshakeDone */

/* The server: 0 free, 1 fragments held, 2 half-open, 3 established, 4 erased */
byte st[SLOTS]; byte addr[SLOTS]; byte part[SLOTS]; byte th[SLOTS]; byte resent[SLOTS];
bool got[4];                    /* a Retry was read at the address */
byte faults = F; bool healed; bool expired; byte ticks; byte k;

#ifdef MUTANT_COOKIE_UNBOUND
#define VALID(a, t) (t != NONE)
#else
#define VALID(a, t) (t == a)
#endif
#define FREE (st[0] == 0 -> 0 : (st[1] == 0 -> 1 : SLOTS))
#define OF(a) (st[0] > 0 && st[0] < 4 && addr[0] == a -> 0 : (st[1] > 0 && st[1] < 4 && addr[1] == a -> 1 : SLOTS))

inline hello() {                /* all fragments once a token is held [UDP-039, -041, -056] */
  h0[c_addr] = h0[c_addr] | BIT(c_token);
  if :: c_retries > 0 -> h1[c_addr] = h1[c_addr] | BIT(c_token) :: else fi
}
inline finish() { cf[c_addr] = cf[c_addr] | BIT(c_sid) }

/* Fragment i of a ClientHello from address a with token t; x: other bytes. */
inline fragment(a, t, i, x) {
  k = OF(a);
  if
#ifdef MUTANT_STATE_BEFORE_COOKIE
  :: false
#else
  :: !VALID(a, t) -> if :: i == 0 -> retry[a] = 1 :: else fi       /* nothing is kept [UDP-025 to -027] */
#endif
  :: else ->
     if
     :: k == SLOTS -> k = FREE;                                    /* new contact */
        if
        :: k < SLOTS -> assert(got[a]);                            /* the address is proven */
           st[k] = 1; addr[k] = a; part[k] = BIT(i); th[k] = x
        :: else
        fi
     :: k < SLOTS && st[k] == 1 && !(part[k] & BIT(i)) -> part[k] = part[k] | BIT(i); th[k] = th[k] | x
#ifndef MUTANT_NO_DUPLICATES
     :: k < SLOTS && st[k] > 1 && i == 0 && resent[k] < RESENDS -> /* duplicate [UDP-063] */
        resent[k]++; sh = sh | BIT(k); sf = sf | BIT(k)
#endif
     :: else
     fi;
     if
     :: k < SLOTS && st[k] == 1 && part[k] == 3 -> st[k] = 2; sh = sh | BIT(k); sf = sf | BIT(k)
     :: else
     fi
  fi;
  k = 0
}

inline client_retry(genuine) {
  if
  :: c_st == Hello && c_retries < RETRIES && !(genuine && c_token == c_addr) ->
     c_token = (genuine -> c_addr : NONE); c_retries++; hello()
  :: else
  fi
}
inline flight(s) {              /* SH is held: th1 exists, the flight opens or not */
#ifdef MUTANT_NO_TRANSCRIPT
  if :: c_st == Hello ->
#else
  if :: c_st == Hello && th[s] == 0 ->
#endif
     c_st = Finish; c_sid = s; finish()
#ifdef MUTANT_SECOND_FINISH
     :: c_st != Hello && c_st != Failed && c_sid != s && th[s] == 0 -> cf[c_addr] = cf[c_addr] | BIT(s)
#endif
  :: else
  fi
}
inline server_finish(a, s) {
  if
  :: st[s] == 2 && addr[s] == a ->                                 /* else dropped [UDP-036 to -038] */
     st[s] = 3; hd = hd | BIT(s);
     assert(th[s] == 0);                                           /* one transcript */
     assert(c_sid == s && st[1-s] != 3)                            /* one session */
  :: else
  fi
}

#define FINISHED (c_st == Est && st[c_sid] == 3 && th[c_sid] == 0)
/* What lets a handshake fail in a network that is whole again. */
#define EXCUSED (c_moved || expired || forged[HOME] || forged[AWAY] || c_hint \
                 || resent[0] == RESENDS || resent[1] == RESENDS)

inline tick() {
  ticks++;
  if
  :: c_st == Hello && ticks < TICKS - 2 -> hello()
  :: c_st == Finish && ticks < TICKS - 2 -> finish()
  :: c_st != Est && ticks >= TICKS - 2 -> c_st = Failed            /* T_CONNECT, handshake_tries */
  :: else
  fi;
  if :: c_sid < SLOTS && st[c_sid] == 3 && c_st == Finish -> hd = hd | BIT(c_sid) :: else fi
}

/* One kind of datagram from address a is delivered, and may be delivered again. */
#define BAD (!healed && faults)
#define AGAIN(x) if :: x :: BAD -> faults-- fi

inline deliver_hello(a, t) {
  if
  :: h0[a] & BIT(t) -> AGAIN(h0[a] = h0[a] & ~BIT(t)); fragment(a, t, 0, 0)
  :: h1[a] & BIT(t) -> AGAIN(h1[a] = h1[a] & ~BIT(t)); fragment(a, t, 1, 0)
  :: !healed && (forged[a] & BIT(t)) -> fragment(a, t, 1, 1)
  fi
}

active proctype Handshake() {
  atomic { hello() }
  do
  :: (h0[HOME] | h1[HOME] | (healed -> 0 : forged[HOME])) & BIT(HOME) -> atomic { deliver_hello(HOME, HOME) }
  :: (h0[HOME] | h1[HOME]) & BIT(NONE) -> atomic { deliver_hello(HOME, NONE) }
  :: (h0[AWAY] | h1[AWAY] | (healed -> 0 : forged[AWAY])) & BIT(AWAY) -> atomic { deliver_hello(AWAY, AWAY) }
  :: (h0[AWAY] | h1[AWAY]) & BIT(HOME) -> atomic { deliver_hello(AWAY, HOME) }
  :: (h0[AWAY] | h1[AWAY]) & BIT(NONE) -> atomic { deliver_hello(AWAY, NONE) }
#ifdef STRANGER
  /* the stranger: with its own cookie, a copied one or none, from its own address or another's */
  :: BAD && st[0] && !st[1] -> atomic { faults--; fragment(VICTIM, NONE, 0, 1) }
  :: BAD && st[0] && !st[1] && (h0[HOME] & BIT(HOME)) -> atomic { faults--; fragment(VICTIM, HOME, 0, 1) }
  :: BAD && st[0] && !st[1] && got[EVIL] -> atomic { faults--; fragment(VICTIM, EVIL, 0, 1) }
  :: BAD && st[0] && !st[1] && !got[EVIL] -> atomic { faults--; got[EVIL] = true }
  :: BAD && st[0] && !st[1] && got[EVIL] -> atomic { faults--; fragment(EVIL, EVIL, 0, 1) }
  :: BAD && (h1[HOME] & BIT(HOME)) -> atomic { faults--; forged[HOME] = BIT(HOME) }
  :: BAD && (h1[AWAY] & BIT(AWAY)) -> atomic { faults--; forged[AWAY] = BIT(AWAY) }
  :: BAD && c_st == Hello && c_retries < RETRIES -> atomic { faults--; c_hint = true; client_retry(false) }
#endif

  :: retry[c_addr] -> atomic { retry[c_addr] = 0; got[c_addr] = true; client_retry(true) }
  :: sh & 1 -> atomic { AGAIN(sh = sh & ~1); if :: addr[0] == c_addr -> c_sh = c_sh | 1 :: else fi }
  :: sh & 2 -> atomic { AGAIN(sh = sh & ~2); if :: addr[1] == c_addr -> c_sh = c_sh | 2 :: else fi }
  :: (sf & 1) && (c_sh & 1 || addr[0] != c_addr) -> atomic { AGAIN(sf = sf & ~1); if :: addr[0] == c_addr -> flight(0) :: else fi }
  :: (sf & 2) && (c_sh & 2 || addr[1] != c_addr) -> atomic { AGAIN(sf = sf & ~2); if :: addr[1] == c_addr -> flight(1) :: else fi }
  :: cf[HOME] & 1 -> atomic { AGAIN(cf[HOME] = cf[HOME] & ~1); server_finish(HOME, 0) }
  :: cf[HOME] & 2 -> atomic { AGAIN(cf[HOME] = cf[HOME] & ~2); server_finish(HOME, 1) }
  :: cf[AWAY] & 1 -> atomic { AGAIN(cf[AWAY] = cf[AWAY] & ~1); server_finish(AWAY, 0) }
  :: cf[AWAY] & 2 -> atomic { AGAIN(cf[AWAY] = cf[AWAY] & ~2); server_finish(AWAY, 1) }
  :: hd & 1 -> atomic { AGAIN(hd = hd & ~1); if :: c_st == Finish && c_sid == 0 && addr[0] == c_addr -> c_st = Est :: else fi }
  :: hd & 2 -> atomic { AGAIN(hd = hd & ~2); if :: c_st == Finish && c_sid == 1 && addr[1] == c_addr -> c_st = Est :: else fi }

  /* before healing: timers, loss, a new address */
  :: BAD && c_st == Hello && !(h0[c_addr] & BIT(c_token)) -> atomic { faults--; hello() }
  :: BAD && c_st == Finish && !(cf[c_addr] & BIT(c_sid)) -> atomic { faults--; finish() }
#ifdef MOVES
  :: BAD && !c_moved -> atomic { faults--; c_moved = true; c_addr = AWAY }
#endif
  :: BAD && (st[0] == 1 || st[0] == 2) -> atomic { faults--; expired = true; st[0] = 4 }   /* T_FLIGHT */
  :: BAD && (st[1] == 1 || st[1] == 2) -> atomic { faults--; expired = true; st[1] = 4 }
  :: BAD && (h0[HOME] || h1[HOME] || retry[HOME]) -> atomic { faults--; h0[HOME] = 0; h1[HOME] = 0; retry[HOME] = 0 }
  :: BAD && (h0[AWAY] || h1[AWAY] || retry[AWAY]) -> atomic { faults--; h0[AWAY] = 0; h1[AWAY] = 0; retry[AWAY] = 0 }
  :: BAD && (sh || sf) -> atomic { faults--; if :: sh = 0 :: sf = 0 fi }
  :: BAD && (cf[0] || cf[1] || hd) -> atomic { faults--; cf[0] = 0; cf[1] = 0; hd = 0 }
  :: !healed -> atomic { healed = true; faults = 0 }
  :: else ->
     if
     :: FINISHED -> break
     :: c_st == Failed -> assert(EXCUSED); break
     :: else -> atomic { assert(ticks < TICKS); tick() }           /* progress once healed */
     fi
  od
}
