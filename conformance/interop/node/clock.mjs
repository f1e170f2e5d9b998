// Time: the wall clock, elapsed time, session clocks and deadlines.

import { uptime } from 'node:os';
import { TIMER } from './codes.mjs';

// time is where all of it comes from. Tests on virtual time put another source in its
// place before they make anything.
export const time = {
  wall: () => BigInt(Date.now()) * 1000n, // microseconds since 1970
  elapsed: hostElapsed, // microseconds
  now: () => Number(process.hrtime.bigint()) / 1e6, // milliseconds
  setTimeout: (act, ms) => setTimeout(act, ms),
  clearTimeout: (timer) => clearTimeout(timer),
  setImmediate: (act) => setImmediate(act),
  clearImmediate: (immediate) => clearImmediate(immediate),
};

// wallClock shows microseconds since 1970 in steps of a millisecond, for Node has
// no finer one: the true time lies within the step that begins with what it shows.
export const wallClock = Object.freeze({ step: 1000n, now: () => time.wall() });
export const wallMicros = wallClock.now;
export const elapsedMicros = () => time.elapsed();
export const nowMs = () => time.now();

// hostElapsed is time that no setting of the clock moves, in microseconds from
// an arbitrary origin. [XTMP-TIM-002] [XTMP-TMR-005]
//
// process.hrtime is CLOCK_MONOTONIC on Linux, which stands still while the
// machine is suspended; Node has no CLOCK_BOOTTIME. os.uptime on Linux does count
// suspension, in steps of 10 ms. So where the two have drifted apart by more than
// a second, the machine slept, and the difference is added. Elsewhere hrtime
// alone is used: it counts sleep on macOS; on other systems TIM-002 is not met.
function hostElapsed() {
  const fine = process.hrtime.bigint() / 1000n;
  if (process.platform !== 'linux') return fine;
  const slept = upMicros() - fine - UP_AHEAD;
  return slept > 1_000_000n ? fine + slept : fine;
}

const upMicros = () => BigInt(Math.round(uptime() * 1e6));
const UP_AHEAD = upMicros() - process.hrtime.bigint() / 1000n;

// A SessionClock shows a time given at its start, plus the time elapsed since.
// One of them stamps what an endpoint sends; another one, started with the
// peer's time, is the anchor for what it receives. [XTMP-TIM-001]
export class SessionClock {
  #start;
  #origin = elapsedMicros();

  constructor(startMicros) {
    this.#start = startMicros;
  }

  now() {
    return this.#start + elapsedMicros() - this.#origin;
  }

  // accepts is check 8 for a frame under a path key; behind is how far the past may
  // reach, which differs between TCP and UDP. [XTMP-TIM-005] [XTMP-TIM-006] [XTMP-TIM-007] [XTMP-UDP-082] [XTMP-UDP-083]
  accepts(stamp, behind = TIMER.T_STAMP_BEHIND) {
    const d = stamp - this.now();
    return d >= -BigInt(behind) * 1000n && d <= BigInt(TIMER.T_STAMP_AHEAD) * 1000n;
  }
}

// skewed says whether a peer's wall time is more than 300 s from ours. Of the step
// of our clock the nearest moment counts, so that a difference of exactly 300 s is
// accepted. [XTMP-TIM-011] [XTMP-TIM-012] [XTMP-TIM-014]
export function skewed(peer, wall, step = wallClock.step) {
  const last = wall + step - 1n;
  const difference = peer > last ? peer - last : wall - peer;
  return difference > BigInt(TIMER.T_SKEW) * 1000n;
}

const LONGEST = 2 ** 31 - 1; // of one setTimeout
const HELD_UP = 5; // ms by which a timer is late when something else was computed

// Deadlines are named timers that never act early, which setTimeout can by up to
// a millisecond [XTMP-TMR-003]. One that was held up looks again once what has arrived
// meanwhile is read, since that may have ended the wait.
export class Deadlines {
  #timers = new Map();
  #stopped = false;

  set(name, ms, act) {
    this.clear(name);
    if (this.#stopped) return;
    const due = nowMs() + ms;
    let again = false;
    const look = () => {
      const left = due - nowMs();
      if (left > 0 || (left < -HELD_UP && !again)) {
        again = left < 0;
        this.#timers.set(name, time.setTimeout(look, Math.max(0, Math.min(Math.ceil(left), LONGEST))));
        return;
      }
      this.#timers.delete(name);
      act();
    };
    this.#timers.set(name, time.setTimeout(look, Math.min(ms, LONGEST)));
  }

  // begin sets the timer unless it runs.
  begin(name, ms, act) {
    if (!this.has(name)) this.set(name, ms, act);
  }

  has(name) {
    return this.#timers.has(name);
  }

  clear(name) {
    time.clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  // stop ends them all; none begins any more.
  stop() {
    this.#stopped = true;
    for (const name of [...this.#timers.keys()]) this.clear(name);
  }
}
