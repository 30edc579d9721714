//! What is agreed on with a client about compression when it joins (RFC 7692, section 5).

use crate::protocol::http::head::Head;
use crate::protocol::ws::extension::{self, Agreed, Terms};
use crate::relay::compression::settings::Deflate;
use crate::relay::compression::shared;
use crate::relay::rooms::policy::Policy;

/// What is agreed on with the sender of this request.
pub(crate) fn agree(policy: &Policy, head: &Head<'_>, settings: &Deflate) -> Option<Agreed> {
    if !policy.deflate || extension::is_declined(head.target) {
        return None;
    }
    let keeps_context = shared::is_wanted(settings);
    let terms = Terms { window_bits: settings.window_bits, keeps_context };
    extension::negotiate(head.values("sec-websocket-extensions"), terms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::{Limits, Relay, Rule};

    #[test]
    fn the_window_that_was_promised_stays() {
        let with = |window_bits: u8| {
            let mut all = Rule::new("*");
            all.deflate = Some(true);
            let deflate = Deflate { window_bits, ..Deflate::default() };
            Limits { deflate, rules: vec![all], ..Limits::default() }
        };
        let mut relay = Relay::new(with(10));
        relay.configure(Limits::default());
        relay.configure(with(12));
        assert_eq!(relay.limits().deflate.window_bits, 10);
    }
}
