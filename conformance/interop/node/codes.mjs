// Code points, limits and timers of the specification, as far as a peer of the
// profiles core, probe, suites, integrity-only, udp and failover meets them, and the
// table of legal flags.
// test/registry.test.mjs compares all of it with spec/registry.

export const VERSION = 1;
export const SUITE = Object.freeze({ INTEGRITY_ONLY: 0, AES256GCM: 1, CHACHA20POLY1305: 2, POSTQUANTUM: 3 });
export const MAGIC = Buffer.from('XTMP', 'ascii');
export const HEADER = 96; // bytes in front of every payload
export const AAD = 80; // of them the tag covers these, checksum zero
export const NO_SEQ = 2n ** 64n - 1n; // ref_seq: no frame

export const TYPE = Object.freeze({
  HANDSHAKE: 0x01, HANDSHAKE_ACK: 0x02, HEARTBEAT: 0x03, DISCONNECT: 0x04, ACK: 0x05, PROBE: 0x70, ERROR: 0xfe,
});

export const FLAG = Object.freeze({
  ENCRYPTED: 0x01, REQUIRES_ACK: 0x02, PRIORITY: 0x04, STREAMING: 0x08, COMPRESSED: 0x10, FRAGMENT: 0x20, REPLY: 0x40,
});
const DEFINED_FLAGS = 0x007f;

export const HS = Object.freeze({
  CLIENT_HELLO: 1, RETRY: 2, SERVER_HELLO: 3, SERVER_FLIGHT: 4, CLIENT_FINISH: 5, HANDSHAKE_DONE: 6,
  ATTACH: 16, ATTACH_ACK: 17, REKEY_INIT: 32, REKEY_RESP: 33,
});

export const FLIGHT = Object.freeze({ IDENTITY: 0x41, SIGNATURE: 0x42, FINISHED: 0x43 });

export const HEARTBEAT = Object.freeze({
  PING: 0, PONG: 1, PATH_CHALLENGE: 2, PATH_RESPONSE: 3, REKEY_REQUEST: 4,
});

export const ERROR = Object.freeze({
  VERSION_UNSUPPORTED: 0x01, NO_COMMON_SUITE: 0x02, MALFORMED: 0x03, UNEXPECTED_MESSAGE: 0x04, HANDSHAKE_FAILED: 0x05,
  CLOCK_SKEW: 0x06, SERVER_BUSY: 0x07, RATE_LIMITED: 0x08, UNSUPPORTED_TYPE: 0x09, SESSION_UNKNOWN: 0x10,
  SESSION_EXPIRED: 0x11, PATH_LIMIT: 0x12, KEY_LIMIT: 0x13, REKEY_FAILED: 0x14, PROTOCOL_VIOLATION: 0x15,
  AUTH_FAILED: 0x20, AUTH_REQUIRED: 0x21, TOO_MANY_FAILURES: 0x22, PAYLOAD_TOO_LARGE: 0x30, COMPRESSION_REFUSED: 0x31,
  DECOMPRESS_LIMIT: 0x32, IDEMPOTENCY_MISMATCH: 0x33, OPERATION_EXPIRED: 0x34, INVALID_PAYLOAD: 0x40, NOT_FOUND: 0x41,
  CONFLICT: 0x42, PERMISSION_DENIED: 0x43, INSUFFICIENT_FUNDS: 0x44, UNAVAILABLE: 0x45, INTERNAL: 0xff,
});

// errorName returns the name of a code; one that the table does not list reads
// as INTERNAL. [XTMP-ERR-002]
export function errorName(code) {
  return Object.keys(ERROR).find((name) => ERROR[name] === code) ?? 'INTERNAL';
}

export const SCOPE = Object.freeze({ MESSAGE: 0, PATH: 1, SESSION: 2 });

export const BIT = Object.freeze({
  INCLUDE_KEY: 0x0001, CLIENT_INFLATES: 0x0002, KEY_INCLUDED: 0x01, ATTACH_UDP: 0x0002, ATTACH_TCP: 0x0004, SERVER_INFLATES: 0x0008,
  STANDBY: 0x01, ERROR_TOKEN: 0x01,
});

// KIND of the transport, in Attach and in an attach endpoint.
export const KIND = Object.freeze({ STREAM: 1, UDP: 2 });

// Sizes and counts, under the names of spec/registry; bytes unless the name says otherwise.
export const LIMIT = Object.freeze({
  payload_before_session: 8208, handshake_message: 8192,
  rekey_message: 8208, fragment_body_min: 512, fragment_body_tcp: 262_144, message_to_client: 16_777_216, probe_data_to_client: 16_777_208,
  frame_payload: 262_208, frame_payload_before_wallet: 65_600, message_to_server_before_wallet: 65_536,
  payload_max: 16_777_216, max_payload_min: 65_536, reassembly_bytes_min: 262_144, datagram_min: 1200, datagram_max: 1452,
  heartbeat_payload_max: 64, error_text: 256, exercise_payload: 64, receive_step: 65_536,
  linger_bytes: 65_536, linger_bytes_total: 1_048_576,
  session_id_max: 2n ** 53n - 1n, sequence_end: 2n ** 62n, mid_window: 4096n,
  blocks_rekey: 2n ** 33n, blocks_control: 2n ** 34n - 2n ** 20n, blocks_end: 2n ** 34n, blocks_per_frame: 6n, block_bytes: 16n,
  fragments_min: 2, fragments_max: 65_535, incomplete_messages: 4,
  probe_code_max: 65_535, probe_delay_ms: 60_000, probe_pushes: 1_000_000, probe_streams: 64,
  ack_after_frames: 32, max_inflight: 1024, inflight_bytes: 33_554_432, unacked_reply_bytes: 33_554_432,
  half_open_total: 4096, half_open_per_source: 8, sessions_per_source: 100, connections_per_client: 10,
  receive_memory_total: 268_435_456, receive_memory_per_source: 33_554_432,
  pre_session_rate: 50, pre_session_burst: 100,
  handshake_fragment: 1024, handshake_fragments: 8, frame_payload_udp: 1104, message_udp: 65_536, ping_udp: 64, token_udp: 48, challenge: 16,
  reset_trigger: 160, resets_per_source: 10,
  N_RETRY: 3, N_RETRY_COOKIE: 3, handshake_tries: 5, flight_resends: 5, early_frames: 8, hello_candidates: 4,
  replay_window: 8128, skip_period: 256, skip_period_max: 131_072, failed_opens_udp: 4_294_967_296,
  ack_every_udp: 2, ack_ranges: 32, loss_frames: 3, window_initial: 10, window_min: 2, persistent_ptos: 3, suspect_ptos: 3,
  heartbeats_missed: 3, amplification: 3, disconnect_copies: 3,
  paths_per_session: 4, attach_tries: 5, attach_attempts: 3, parked_messages: 256, parked_bytes: 1_048_576,
});

// Timers in milliseconds.
export const TIMER = Object.freeze({
  T_CONNECT: 10_000, T_REPLY: 30_000, T_HANDSHAKE_TCP: 5000, T_ACK: 25, T_HEARTBEAT: 30_000, T_IDLE: 300_000,
  T_PROBE: 2000, T_PROBE_MAX: 5000, T_FRAME: 15_000, T_REASSEMBLY: 15_000, T_CLOSE: 5000, T_LINGER: 1000,
  T_ROTATE: 86_400_000, T_REKEY: 30_000, T_REKEY_GAP: 1000, T_REKEY_GAP_MIN: 500, T_REKEY_ASK: 5000, T_KEY_LIMIT: 30_000, T_RETIRE: 100,
  T_SKEW: 300_000, T_STAMP_AHEAD: 30_000, T_STAMP_BEHIND: 300_000, T_STAMP_BEHIND_UDP: 30_000, T_EXERCISE: 60_000,
  T_REASSEMBLY_HELLO: 2000, T_FLIGHT: 10_000, T_HS_RETX: 400, T_COOKIE: 10_000, T_COOKIE_KEY: 60_000, T_TOKEN: 86_400_000, T_RACE: 250,
  T_ATTACH_RETX: 400, T_ATTACH_TCP: 5000, T_ATTACH_GAP: 1000, T_PROBE_UDP: 300, T_PROBE_ANSWER: 1000, T_SUSPECT: 2000,
  T_PATHLESS_PROBE: 2000, T_CHALLENGE: 75, T_PARK_ANON: 60_000, T_UDP_BACK: 30_000, T_UDP_BACK_MAX: 600_000, T_REASSEMBLY_UDP: 1000,
  T_DISC_GAP: 100, T_RETIRE_MAX: 30_000, T_OLD_KEYS: 100, T_OLD_KEYS_MAX: 10_000,
});

const { REQUIRES_ACK: R, STREAMING: S, COMPRESSED: Z, FRAGMENT: F, REPLY: Y } = FLAG;

// The flag matrix [3.3] without the columns that check 3 cannot use: each shape
// is the bits that are set and the bits that may be set. ENCRYPTED and PRIORITY
// are left out; roles and slots are judged once the frame has opened. [XTMP-FLG-017]
const SHAPES = [
  { from: 0x01, to: 0x01, shapes: [[0, 0], [R, F]] },
  { from: 0x02, to: 0x02, shapes: [[0, 0], [R, 0], [R | Y, F]] },
  { from: 0x03, to: 0x05, shapes: [[0, 0]] },
  { from: 0x06, to: 0x13, shapes: [[0, F], [R, F], [R | Y, F], [S, F]] },
  { from: 0x14, to: 0x7f, shapes: [[0, F | Z], [R, F | Z], [R | Y, F | Z], [S, F | Z]] },
  { from: 0x80, to: 0xef, shapes: [[0, R | Y | S | F | Z]] },
  { from: 0xfe, to: 0xfe, shapes: [[0, 0], [R | Y, 0]] },
];

// flagsLegal says whether a row of the flag matrix allows the type these flags,
// to either role. A type that is never sent has no row.
// [XTMP-TYP-005] [XTMP-FLG-002] [XTMP-FLG-004] … [XTMP-FLG-014] [XTMP-FLG-018]
export function flagsLegal(type, flags) {
  if ((flags & ~DEFINED_FLAGS) !== 0) return false;
  const bits = flags & ~(FLAG.ENCRYPTED | FLAG.PRIORITY);
  const row = SHAPES.find((r) => type >= r.from && type <= r.to);
  return row !== undefined && row.shapes.some(([set, may]) => (bits & set) === set && (bits & ~(set | may)) === 0);
}

// isRequestType covers Probe and the types that a peer of this version does not
// implement and answers; isExtension those whose bodies it discards.
export const isRequestType = (type) => type >= 0x06 && type <= 0x7f;
export const isExtension = (type) => type >= 0x80 && type <= 0xef;
