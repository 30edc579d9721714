// A room as a Vue 3 composable.
import { onScopeDispose, shallowRef, toValue, watch } from 'vue';
import { connect } from './fanfare.js';

const HISTORY = 500; // messages kept for the page; more is a job for a store

/**
 * Joins the room at `url` (a string, ref or getter), leaves it when the component goes, and moves
 * when the address changes. `options` are those of `connect`, and `history`: messages kept.
 */
export function useFanfare(url, options = {}) {
  const { history = HISTORY, ...rest } = options;
  const messages = shallowRef([]);
  const state = shallowRef('connecting');
  let room = null;

  const leave = () => room?.close();
  const join = (address) => {
    leave();
    messages.value = [];
    const own = connect(address, rest);
    room = own;
    const follow = () => { if (room === own) state.value = own.state; };
    ['open', 'close', 'reconnecting'].forEach((event) => own.on(event, follow));
    own.on('message', (data) => {
      if (room === own) messages.value = [...messages.value, data].slice(-history);
    });
    follow();
  };
  watch(() => toValue(url), join, { immediate: true, flush: 'sync' });
  onScopeDispose(leave);

  return { messages, state, send: (data) => room.send(data), close: leave };
}
