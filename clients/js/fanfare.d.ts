/** The options of a room. */
export interface RoomOptions {
  /** So many of the newest messages that the room keeps come first. */
  last?: number;
  /** The messages behind this id come first: a `room.id` of before. */
  lastEventId?: string;
  /** A token of the relay's `--token-key`, or a function that gives one for each attempt. */
  token?: string | (() => string | null | undefined | Promise<string | null | undefined>);
  /** Offer no subprotocol of fanfare's: for other servers. No ids, no resume. */
  raw?: boolean;
  /** More subprotocols of the handshake. */
  protocols?: string | string[];
  /** So many attempts in a row, then the room is closed (no bound). */
  maxAttempts?: number;
  /** Whether to connect again after a close (`mayRetry`, and 4401 where a function is asked). */
  shouldRetry?: (code: number, reason: string) => boolean;
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
  /** After so long open, delays and attempts begin again (5 000). */
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

export interface GapDetail {
  /** So many own messages will not be sent. */
  dropped: number;
  /** How long the member was away before it; 0 if it was not. */
  awayMs: number;
  /** Messages of others are missing. */
  missed: boolean;
}

export interface RoomEvents<T> {
  /** Text as a string, binary as an ArrayBuffer, or the parsed JSON. */
  message: T;
  open: void;
  /** The connection has ended, for good unless `willReconnect`; once for each loss. */
  close: { code: number; reason: string; willReconnect: boolean };
  reconnecting: { attempt: number; delayMs: number };
  gap: GapDetail;
  /** The heartbeat was answered. */
  pong: { roundTripMs: number };
  error: { message: string; data?: unknown };
}

/** A message's second detail is its id; null where the relay tells none. */
export type Listener<T, E extends keyof RoomEvents<T>> = (
  detail: RoomEvents<T>[E],
  ...more: E extends 'message' ? [id: string | null] : []
) => void;

/** The address of a room; a function gives one for each attempt. */
export type Address = string | (() => string | Promise<string>);

/**
 * Why a publication failed. Of the relay: `may_not_speak`, `too_long`, `key_reused`… Of the client:
 * `dropped` (the queue was full), `closed`, `unanswered` (it may have been published).
 */
export interface PublishError extends Error {
  code: string;
}

export interface Room<T = string | ArrayBuffer> {
  /** A new one is for the next connection. */
  url: Address;
  readonly state: RoomState;
  /** The subprotocol: `fanfare.v1` where the relay has it, which ids and resume need. */
  readonly protocol: string;
  /** The id of the newest message before which none is missing; null while there is none. */
  readonly id: string | null;
  /** The public id of the newest connection, for `?except=`; null without fanfare.v1. */
  readonly connection: string | null;
  /** Resolves when the connection is open: this one, or the next; rejects when it never will be. */
  readonly ready: Promise<void>;
  /** Adds a listener; the returned function removes it. */
  on<E extends keyof RoomEvents<T>>(event: E, listener: Listener<T, E>): () => void;
  /** The same for the next event of this name alone. */
  once<E extends keyof RoomEvents<T>>(event: E, listener: Listener<T, E>): () => void;
  off<E extends keyof RoomEvents<T>>(event: E, listener: Listener<T, E>): void;
  /**
   * Sends a string, an ArrayBuffer or a view, or with `json` anything else; or queues it. False when
   * it will never be sent; throws a TypeError for other values.
   */
  send(data: unknown): boolean;
  /**
   * The same, with the message's id when the relay has published it; null without fanfare.v1, when it
   * was sent. Rejects with a `PublishError` otherwise.
   */
  publish(data: unknown): Promise<string | null>;
  /** Sends the heartbeat's word now. */
  ping(): void;
  /** Closes the room for good; never throws. */
  close(code?: number, reason?: string): void;
}

/**
 * Joins a room, and reconnects by itself. A server may name the least delay before that in its close
 * reason: `retry-after=SECONDS`.
 */
export function connect<T = string | ArrayBuffer>(url: Address, options?: RoomOptions): Room<T>;

/** Whether to connect again after an unexpected close. */
export function mayRetry(code: number, reason?: string): boolean;

/** The shape of WebSocket. Only its kinds can be made: `WxSocket`, and `RoomSocket`. */
declare abstract class SocketShape {
  static readonly CONNECTING: 0;
  static readonly OPEN: 1;
  static readonly CLOSING: 2;
  static readonly CLOSED: 3;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;
  readonly url: string;
  readonly protocol: string;
  readonly extensions: string;
  readonly readyState: 0 | 1 | 2 | 3;
  readonly bufferedAmount: number;
  binaryType: string;
  send(data: string | ArrayBuffer | ArrayBufferView): void;
  close(code?: number, reason?: string): void;
  removeEventListener(type: string, listener: (event: any) => void): void;
}

/** The shape of WebSocket on a mini-program's SocketTask, for this and other libraries. */
export class WxSocket extends SocketShape {
  /** `options` are more of `connectSocket`'s, such as `header`. */
  constructor(url: string, protocols?: string | string[], options?: object);
  onopen: ((event: any) => void) | null;
  onmessage: ((event: { data: string | ArrayBuffer }) => void) | null;
  onerror: ((event: { message: string }) => void) | null;
  onclose: ((event: { code: number; reason: string; wasClean: boolean }) => void) | null;
  addEventListener(
    type: string,
    listener: (event: any) => void,
    options?: { once?: boolean },
  ): void;
}

export type { SocketShape };
