//! What a reload would open: a line lost from the file must not open the relay silently.

use crate::auth::origin::Origin;
use crate::relay::{Admission, Hear, Limits, Publish};
use std::collections::BTreeSet;

/// Lists that a reload may change but not empty, and why: an empty list looks like a lost line.
pub(super) const NOT_TO_NONE: [(&str, &str); 2] = [
    ("token_key", "without keys every client is accepted"),
    ("allow_origin", "without it pages of all origins are accepted"),
];

/// The most patterns of rooms that one warning names.
const PATTERNS_TOLD_MAX: usize = 8;

/// A name that only a rule for all rooms matches: a path cannot be written so.
const OTHER_ROOMS: &[u8] = b"\xff\xff";

/// What the next limits allow that those in force do not.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Openings {
    /// What needs a restart, and why; the next limits are not used then.
    pub refused: Option<String>,
    /// What is used from now on, and the operator should look at.
    pub warnings: Vec<String>,
}

/// Compares the limits in force with the next ones.
pub fn openings(old: &Limits, next: &Limits) -> Openings {
    Openings {
        refused: refused(old, next),
        warnings: [flags(old, next), rooms(old, next)].concat(),
    }
}

fn refused(old: &Limits, next: &Limits) -> Option<String> {
    let are_empty = |limits: &Limits| {
        let access = &limits.access;
        [access.trust.keys.is_empty(), access.origins.allowed.is_empty()]
    };
    let lists = NOT_TO_NONE.iter().zip(are_empty(old)).zip(are_empty(next));
    let mut lost = lists.filter(|((_, was_empty), is_empty)| !was_empty && *is_empty);
    lost.next().map(|(((key, why), _), _)| format!("{key} is gone, and {why}"))
}

/// What opens for all rooms.
fn flags(old: &Limits, next: &Limits) -> Vec<String> {
    let (before, after) = (&old.access, &next.access);
    let allows = |limits: &Limits, origin| limits.access.origins.allowed.contains(origin);
    let opens = |origin| !allows(old, origin) && allows(next, origin);
    let is_lost = |before: u64, after: u64| before > 0 && after == 0;
    let members = |limits: &Limits| u64::from(limits.members_max.unwrap_or_default());
    let (rates, next_rates) = (&old.rates, &next.rates);
    let per_address = |limits: &Limits| limits.connections_per_address_max as u64;
    let lost = [
        ("max_per_address", is_lost(per_address(old), per_address(next))),
        (
            "handshake_rate",
            is_lost(old.handshakes_per_s_max.into(), next.handshakes_per_s_max.into()),
        ),
        ("message_rate", is_lost(rates.messages_per_s.into(), next_rates.messages_per_s.into())),
        ("byte_rate", is_lost(rates.bytes_per_s.into(), next_rates.bytes_per_s.into())),
        ("max_members", is_lost(members(old), members(next))),
    ];
    let lost = lost.into_iter().filter(|(_, is_lost)| *is_lost);
    let bounds = lost.map(|(key, _)| format!("{key} has no bound any more"));
    let opened = [
        (opens(&Origin::Any), "allow_origin accepts pages of all origins now"),
        (
            opens(&Origin::Null),
            "allow_origin accepts null now, which frames in a sandbox of any page send",
        ),
        (
            before.origins.required && !after.origins.required,
            "require_origin is off now: requests without an origin are accepted",
        ),
        (
            before.trust.audience.is_some() && after.trust.audience.is_none(),
            "token_audience is gone: tokens without an audience are accepted now",
        ),
        (
            before.trust.leeway_s < after.trust.leeway_s,
            "token_leeway is longer now: tokens are accepted that much longer after their end",
        ),
    ];
    let opened = opened.into_iter().filter(|(opens, _)| *opens);
    opened.map(|(_, what)| what.to_owned()).chain(bounds).collect()
}

/// What opens in some rooms. Each pattern is taken as a room's name, which it matches itself.
fn rooms(old: &Limits, next: &Limits) -> Vec<String> {
    if old.rules == next.rules {
        return Vec::new();
    }
    let patterns = old.rules.iter().chain(&next.rules).map(|rule| rule.pattern.bytes());
    let names: BTreeSet<&[u8]> = patterns.chain([OTHER_ROOMS]).collect();
    let mut kinds: [(&str, Vec<&[u8]>); 5] = [
        ("send their messages to anyone now", Vec::new()),
        ("accept messages from anyone now", Vec::new()),
        ("accept messages with a token now", Vec::new()),
        ("have no bound on a member's rate now", Vec::new()),
        ("have no bound on members now", Vec::new()),
    ];
    for name in names {
        let (before, after) = (old.admission(name), next.admission(name));
        for ((_, rooms), opens) in kinds.iter_mut().zip(opened(&before, &after)) {
            if opens {
                rooms.push(name);
            }
        }
    }
    let kinds = kinds.into_iter().filter(|(_, rooms)| !rooms.is_empty());
    kinds.map(|(what, rooms)| format!("{} {what}", list(&rooms))).collect()
}

/// In the order of the kinds above.
fn opened(before: &Admission, after: &Admission) -> [bool; 5] {
    let is_wider = before.publish != after.publish && before.publish != Publish::Anyone;
    let is_lost = |before: u32, after: u32| before > 0 && after == 0;
    let (rates, next_rates) = (&before.rates, &after.rates);
    [
        before.hear == Hear::Tokens && after.hear == Hear::Anyone,
        is_wider && after.publish == Publish::Anyone,
        before.publish == Publish::Nobody && after.publish == Publish::Tokens,
        is_lost(rates.messages_per_s, next_rates.messages_per_s)
            || is_lost(rates.bytes_per_s, next_rates.bytes_per_s),
        before.members_max.is_some() && after.members_max.is_none(),
    ]
}

fn list(rooms: &[&[u8]]) -> String {
    let name = |room: &&[u8]| match *room {
        OTHER_ROOMS => "rooms without a rule".to_owned(),
        room => format!("rooms like /{}", room.escape_ascii()),
    };
    let mut names: Vec<String> = rooms.iter().take(PATTERNS_TOLD_MAX).map(name).collect();
    if let Some(more) = rooms.len().checked_sub(PATTERNS_TOLD_MAX).filter(|more| *more > 0) {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::keyfile;
    use crate::relay::Rule;

    fn with_key() -> Limits {
        let mut limits = Limits::default();
        limits.access.trust.keys = vec![keyfile::secret(&[b'k'; 32]).expect("a secret")];
        limits
    }

    fn ruled(limits: Limits, rules: &[(&str, Option<Hear>, Option<Publish>)]) -> Limits {
        let rule = |(pattern, hear, publish): &(&str, _, _)| Rule {
            hear: *hear,
            publish: *publish,
            ..Rule::new(pattern)
        };
        Limits { rules: rules.iter().map(rule).collect(), ..limits }
    }

    #[test]
    fn keys_and_origins_are_not_lost_by_a_reload() {
        let open = Limits::default();
        let closed = with_key();
        let refused = openings(&closed, &open).refused.expect("every client would be accepted");
        assert!(refused.contains("token_key"), "{refused}");
        assert_eq!(openings(&open, &closed), Openings::default());
        assert_eq!(openings(&closed, &closed), Openings::default());
        let mut listed = Limits::default();
        listed.access.origins.allowed = vec!["https://example.org".parse().expect("an origin")];
        let refused = openings(&listed, &open).refused.expect("all pages would be accepted");
        assert!(refused.contains("allow_origin"), "{refused}");
        assert_eq!(openings(&open, &listed), Openings::default());
    }

    #[test]
    fn openings_of_all_rooms_are_found() {
        let mut old = with_key();
        let site = || "https://example.org".parse().expect("an origin");
        old.access.origins.allowed = vec![site()];
        old.access.origins.required = true;
        old.access.trust.audience = Some("relay".to_owned());
        (old.handshakes_per_s_max, old.members_max) = (5, Some(5));
        (old.rates.messages_per_s, old.rates.bytes_per_s) = (5, 5);
        let mut next = with_key();
        next.access.origins.allowed = vec![site(), Origin::Null, Origin::Any];
        next.access.trust.leeway_s = 1;
        next.connections_per_address_max = 0;
        let told = openings(&old, &next).warnings;
        let parts = [
            "all origins",
            "null",
            "require_origin",
            "token_audience",
            "token_leeway",
            "max_per_address",
            "handshake_rate",
            "message_rate",
            "byte_rate",
            "max_members",
        ];
        assert_eq!(told.len(), parts.len(), "{told:?}");
        for part in parts {
            assert!(told.iter().any(|one| one.contains(part)), "{part}: {told:?}");
        }
        assert_eq!(openings(&next, &old), Openings::default(), "closing is no opening");
    }

    #[test]
    fn openings_of_some_rooms_are_found() {
        let told = |old: &[_], next: &[_]| {
            openings(&ruled(with_key(), old), &ruled(with_key(), next)).warnings
        };
        let anyone = Some(Hear::Anyone);
        let (all, tokens) = (Some(Publish::Anyone), Some(Publish::Tokens));
        let nobody = Some(Publish::Nobody);
        for (old, next, expected) in [
            (vec![("a", None, nobody)], vec![], "rooms like /a accept messages with a token now"),
            (
                vec![("a", None, tokens)],
                vec![("a", None, all)],
                "rooms like /a accept messages from",
            ),
            (
                vec![("a/*", None, nobody)],
                vec![("a/*", None, all)],
                "/a/* accept messages from any",
            ),
            (vec![], vec![("b", anyone, None)], "rooms like /b send their messages to anyone now"),
            // The rule stands there, and another one comes first.
            (
                vec![("a", None, nobody)],
                vec![("*", None, None), ("a", None, nobody)],
                "/a accept messages with a token now",
            ),
            (
                vec![],
                vec![("*", anyone, None)],
                "rooms without a rule send their messages to anyone now",
            ),
        ] {
            let told = told(&old, &next);
            assert!(told.iter().any(|one| one.contains(expected)), "{expected}: {told:?}");
            assert_eq!(
                openings(&ruled(with_key(), &next), &ruled(with_key(), &old)).warnings.len(),
                0,
                "{expected}: the other way round"
            );
        }
        assert_eq!(
            told(&[("a", None, nobody)], &[("a", None, nobody), ("b", None, None)]),
            [""; 0]
        );
        let bounded = Rule { messages_per_s: Some(1), members_max: Some(2), ..Rule::new("a") };
        let limits = Limits { rules: vec![bounded], ..with_key() };
        let lost = openings(&limits, &with_key()).warnings;
        assert!(lost[0].contains("/a have no bound on a member") && lost[1].contains("members"));
        let many: Vec<String> = (0..20).map(|number| format!("room{number}")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), anyone, None)).collect();
        let long = told(&[], &many);
        assert!(long[0].contains(", 12 more send their messages"), "{long:?}");
    }
}
