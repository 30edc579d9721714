//! Whose each connection is: its address, the client that a proxy names, and what its token allows.

use crate::auth::credential;
use crate::auth::token::Claims;
use crate::protocol::http::forwarded;
use crate::protocol::http::head::Head;
use crate::protocol::{Denial, Refusal};
use crate::relay::connections::conn::{Conn, Peer};
use crate::relay::identity::access::Access;
use crate::relay::identity::address::{Addresses, NO_ADDRESS, Network, TrustedProxies};
use crate::relay::identity::grant::{Grant, Grants};
use crate::relay::limits::Limits;
use crate::relay::rooms::policy::{Hear, Policy, Publish};
use crate::relay::time::Time;
use core::net::IpAddr;
use std::collections::BTreeMap;

/// What is known of a connection's other end.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// The other end of the stream; none when a proxy has named its client.
    pub(crate) peer: Option<Network>,
    /// The client that a proxy named.
    pub(crate) client: Option<Network>,
}

/// Whose the connections are.
#[derive(Debug, Default)]
pub(crate) struct Identities {
    addresses: Addresses,
    /// The clients of connections that were one too many for their address: they are not counted,
    /// but named when the connection ends.
    refused: BTreeMap<u32, Network>,
    grants: Grants,
    /// Seconds from 1970 to the first moment of the relay's time, if that was told.
    unix_offset_s: Option<u64>,
}

impl Identities {
    /// Tells what the time of day is: `unix_s` seconds have passed since 1970 at `now`.
    pub(crate) fn set_wall_clock(&mut self, now: Time, unix_s: u64) {
        self.unix_offset_s = Some(unix_s.saturating_sub(u64::from(now.seconds())));
    }

    /// Without a wall clock every token that ends has ended.
    fn unix_s(&self, now: Time) -> u64 {
        self.unix_offset_s.map_or(u64::MAX, |offset| offset + u64::from(now.seconds()))
    }

    /// Counts a connection for its peer; `None` is the other end of a Unix socket.
    ///
    /// Proxies are not counted, for they speak for many, and neither is this machine itself.
    pub(crate) fn locate(
        &mut self,
        conn: &mut Conn,
        peer: Option<IpAddr>,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        let trusted = &limits.trusted_proxies;
        let peer = peer.map(forwarded::plain);
        self.addresses.leave(std::mem::replace(&mut conn.address, NO_ADDRESS));
        conn.peer = match peer.map_or(trusted.unix, |peer| trusted.contain(peer)) {
            true => Peer::Proxy,
            false => Peer::Client,
        };
        let Some(peer) = peer else { return Ok(()) };
        if conn.peer != Peer::Client || peer.is_loopback() {
            conn.address = self.addresses.know(Network::one(peer))?;
            return Ok(());
        }
        let most = limits.connections_per_address_max;
        conn.address = self.addresses.enter(Network::of(peer), most)?;
        Ok(())
    }

    /// Counts a connection for the client that a proxy names, which may be another proxy; `index`
    /// is its slot.
    pub(crate) fn locate_named(
        &mut self,
        index: u32,
        conn: &mut Conn,
        client: IpAddr,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        let located = self.locate(conn, Some(client), limits);
        if conn.peer == Peer::Client {
            conn.peer = Peer::ForClient;
        }
        if located.is_err() {
            self.refused.insert(index, Network::of(client));
        }
        located
    }

    /// Counts a proxy's connection for the client that its request names.
    pub(crate) fn locate_client(
        &mut self,
        index: u32,
        conn: &mut Conn,
        head: &Head<'_>,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        if conn.peer != Peer::Proxy {
            return Ok(());
        }
        let trusted: &TrustedProxies = &limits.trusted_proxies;
        match forwarded::client(head, trusted.field, |address| trusted.contain(address)) {
            Some(client) => self.locate_named(index, conn, client, limits),
            None => Ok(()),
        }
    }

    /// Keeps where a stream came from in front of which a header is to name the client.
    pub(crate) fn keep_carrier(&mut self, conn: &mut Conn, proxy: IpAddr) {
        if conn.address == NO_ADDRESS
            && let Ok(key) = self.addresses.know(Network::one(proxy))
        {
            conn.address = key;
        }
    }

    /// The client that a proxy named.
    pub(crate) fn client(&self, index: u32, conn: &Conn) -> Option<Network> {
        if conn.peer != Peer::ForClient {
            return None;
        }
        let counted = self.addresses.at(conn.address).filter(|(_, is_counted)| *is_counted);
        counted.map(|(network, _)| network).or_else(|| self.refused.get(&index).copied())
    }

    /// Both ends of a connection's way, as far as they are known.
    pub(crate) fn ends(&self, index: u32, conn: &Conn) -> Ends {
        match conn.peer {
            Peer::ForClient => Ends { peer: None, client: self.client(index, conn) },
            _ => Ends {
                peer: self.addresses.at(conn.address).map(|(network, _)| network),
                client: None,
            },
        }
    }

    /// Forgets a connection that ends; gives its user id and its ends.
    pub(crate) fn forget(&mut self, index: u32, conn: &Conn) -> (Option<Box<str>>, Ends) {
        let ends = self.ends(index, conn);
        self.addresses.leave(conn.address);
        self.refused.remove(&index);
        (self.grants.forget(index), ends)
    }

    /// Whether the sender of a request may join the room of this name, where `policy` holds, and
    /// what it may do there.
    pub(crate) fn grant(
        &self,
        head: &Head<'_>,
        name: &[u8],
        policy: &Policy,
        access: &Access,
        now: Time,
    ) -> Result<Grant, Denial> {
        let claims = self.claims(head, name, policy, access, access.cookie.as_deref(), now)?;
        Ok(claims.map_or_else(Grant::default, |claims| Grant::new(claims, name)))
    }

    /// What the token of a request says, if it has one and may join the room of this name.
    fn claims(
        &self,
        head: &Head<'_>,
        name: &[u8],
        policy: &Policy,
        access: &Access,
        cookie: Option<&str>,
        now: Time,
    ) -> Result<Option<Claims>, Denial> {
        if access.trust.keys.is_empty() {
            return Ok(None);
        }
        let token = credential::token(head, cookie)?;
        let verify = |token| access.trust.verify(token, self.unix_s(now));
        let claims = token.map(verify).transpose()?;
        match (policy.hear, &claims) {
            (Hear::Tokens, None) => Err(Denial::TokenMissing),
            (Hear::Tokens, Some(claims)) if !claims.may_hear(name) => Err(Denial::Room),
            _ => Ok(claims),
        }
    }

    /// Whether the sender of a request may publish in the room of this name, where `policy` holds;
    /// gives its user id.
    ///
    /// The request needs no answer of this relay to be sent, so that any page could make a browser
    /// send it along with its user's cookie: the cookie counts for a page that is let in alone,
    /// which the request's origin names.
    pub(crate) fn publishing_user(
        &self,
        head: &Head<'_>,
        name: &[u8],
        policy: &Policy,
        access: &Access,
        now: Time,
    ) -> Result<Option<Box<str>>, Denial> {
        let has_origin = head.values("origin").next().is_some();
        let cookie = access.cookie.as_deref().filter(|_| has_origin);
        let claims = self.claims(head, name, policy, access, cookie, now)?;
        let is_granted = claims.as_ref().is_some_and(|claims| claims.may_speak(name));
        match (policy.lets_publish(is_granted), policy.publish, &claims) {
            (true, ..) => Ok(claims.and_then(|claims| claims.user)),
            (false, Publish::Tokens, None) => Err(Denial::TokenMissing),
            (false, ..) => Err(Denial::Publish),
        }
    }

    /// Where a request comes from: the client that a proxy names in it, or else the other end of
    /// the connection. A proxy brings requests of many clients on one connection.
    pub(crate) fn sender(
        &self,
        conn: &Conn,
        head: &Head<'_>,
        trusted: &TrustedProxies,
    ) -> Option<Network> {
        let is_trusted = |address| trusted.contain(address);
        let named = (conn.peer == Peer::Proxy)
            .then(|| forwarded::client(head, trusted.field, is_trusted).map(Network::of));
        let own = || self.addresses.at(conn.address).map(|(network, _)| network);
        named.flatten().or_else(own)
    }

    /// Keeps the grant of a connection.
    pub(crate) fn keep(&mut self, index: u32, grant: Grant) {
        self.grants.keep(index, grant);
    }

    /// The user id of a connection.
    pub(crate) fn user(&self, index: u32) -> Option<&str> {
        self.grants.user(index)
    }

    /// Takes the next connection whose grant has ended.
    pub(crate) fn take_ended(&mut self, now: Time) -> Option<u32> {
        let now_s = self.unix_s(now);
        self.grants.take_ended(now_s)
    }

    /// How many addresses are counted.
    pub(crate) fn counted(&self) -> usize {
        self.addresses.counted()
    }

    /// Asserts that what is kept belongs to connections that are there, of which `with_address`
    /// have one.
    pub(crate) fn check(&self, with_address: usize, is_used: impl Fn(usize) -> bool) {
        assert_eq!(self.addresses.connections(), with_address);
        assert!(self.refused.keys().all(|index| is_used(*index as usize)), "{self:?}");
        self.grants.check(is_used);
    }
}
