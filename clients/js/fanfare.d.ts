/** The options of a room. */
export interface RoomOptions {
  /** Subprotocols of the handshake. */
  protocols?: string | string[];
  /** Parse received messages as JSON (without a BOM), and serialise sent ones. */
  json?: boolean;
  /** The word pair of the relay's `--heartbeat`. */
  heartbeat?: [ask: string, answer: string] | null;
  /** Silence before a ping (25 000). */
  pingIntervalMs?: number;
  /** Silence after a ping until the connection counts as dead (10 000). */
  pongTimeoutMs?: number;
  /** The time a handshake may take (15 000). */
  openTimeoutMs?: number;
  /** The longest first delay (500). */
  backoffBaseMs?: number;
  /** The longest delay (20 000). */
  backoffMaxMs?: number;
  /** After so long open, the delays begin again (5 000). */
  stableMs?: number;
  /** Messages kept while there is no connection (100). */
  queueMessages?: number;
  /** Their bytes; also what may wait inside the socket (262 144). */
  queueBytes?: number;
  /** The constructor to use: `ws` in Node 20. */
  WebSocket?: new (url: string, protocols?: string | string[], options?: any) => unknown;
  /** Its third argument: options of `ws`, or of a mini-program's `connectSocket` (`header`…). */
  socketOptions?: object;
  /** A source of numbers from 0 to 1. */
  random?: () => number;
}

export type RoomState = 'connecting' | 'open' | 'reconnecting' | 'closed';

export interface RoomEvents<T> {
  /** Text as a string, binary as an ArrayBuffer, or the parsed JSON. */
  message: T;
  open: void;
  /** The connection has ended, for good unless `willReconnect`; once for each loss. */
  close: { code: number; reason: string; willReconnect: boolean };
  reconnecting: { attempt: number; delayMs: number };
  /** Missed messages: own ones that the queue dropped, or others' during a loss. */
  gap: { dropped: number; awayMs: number };
  /** The heartbeat was answered. */
  pong: { roundTripMs: number };
  error: { message: string; data?: unknown };
}

export interface Room<T = string | ArrayBuffer> {
  /** A new one is for the next connection. */
  url: string;
  readonly state: RoomState;
  /** Resolves when the connection is open: this one, or the next; rejects when it never will be. */
  readonly ready: Promise<void>;
  /** Adds a listener; the returned function removes it. */
  on<E extends keyof RoomEvents<T>>(
    event: E,
    listener: (detail: RoomEvents<T>[E]) => void,
  ): () => void;
  /**
   * Sends a string, an ArrayBuffer or a view, or with `json` anything else; or queues it. False when
   * it will never be sent; throws a TypeError for other values.
   */
  send(data: unknown): boolean;
  /** Sends the heartbeat's word now. */
  ping(): void;
  /** Closes the room for good; never throws. */
  close(code?: number, reason?: string): void;
}

/**
 * Joins a room, and reconnects by itself. A server may name the least delay before that in its close
 * reason: `retry-after=SECONDS`.
 */
export function connect<T = string | ArrayBuffer>(url: string, options?: RoomOptions): Room<T>;

/** Whether to connect again after an unexpected close. */
export function mayRetry(code: number, reason?: string): boolean;

/** The shape of WebSocket on a mini-program's SocketTask, for this and other libraries. */
export class WxSocket {
  static readonly CONNECTING: 0;
  static readonly OPEN: 1;
  static readonly CLOSING: 2;
  static readonly CLOSED: 3;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;
  /** `options` are more of `connectSocket`'s, such as `header`. */
  constructor(url: string, protocols?: string | string[], options?: object);
  readonly url: string;
  readonly protocol: string;
  readonly extensions: string;
  readonly readyState: 0 | 1 | 2 | 3;
  readonly bufferedAmount: number;
  binaryType: string;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: { data: string | ArrayBuffer }) => void) | null;
  onerror: ((event: { message: string }) => void) | null;
  onclose: ((event: { code: number; reason: string; wasClean: boolean }) => void) | null;
  send(data: string | ArrayBuffer | ArrayBufferView): void;
  close(code?: number, reason?: string): void;
  addEventListener(
    type: string,
    listener: (event: any) => void,
    options?: { once?: boolean },
  ): void;
  removeEventListener(type: string, listener: (event: any) => void): void;
}
