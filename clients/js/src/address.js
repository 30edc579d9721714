// What a room connects to: its address and its subprotocols.
import { V1 } from './wire.js';

/** An address with this value in its query, in place of another; mini-programs have no `URL`. */
export function withQuery(address, name, value) {
  const [, start, query] = /^([^?#]*)\??([^#]*)/.exec(address);
  const others = query.split('&').filter((part) => part && part.split('=')[0] !== name);
  return `${start}?${[...others, `${name}=${encodeURIComponent(value)}`].join('&')}`;
}

/** A value, or what a function gives for it. */
export const ask = async (value) => (typeof value === 'function' ? value() : value);

/**
 * The subprotocols to offer. `fanfare` comes behind, for a browser fails when none of those that it
 * offered is selected. A token stays out of addresses, which are logged.
 */
export function offers({ raw, protocols = [] }, token) {
  const all = [...(raw ? [] : [V1, 'fanfare']), ...[].concat(protocols),
    ...(token ? [`fanfare.token.${token}`] : [])];
  return all.length ? [...new Set(all)] : undefined;
}
