//! Where the listeners meet the resolver.

use std::time::Instant;

use crate::listen::{Client, Respond, Transport, Verdict};
use crate::resolve::{self, Pending, Resolver, UDP_CAP, Walk};
use crate::wire::reply::{self, Form};
use crate::wire::{Ede, Query, Rcode};

impl Respond for Resolver {
    type Pending = Pending;

    #[inline]
    fn answer_now(&self, worker: usize, message: &[u8], client: Client, now: Instant, out: &mut [u8]) -> Verdict<Pending> {
        let client = resolve::Client { address: client.address, tcp: client.transport == Transport::Tcp };
        match self.answer(worker, message, client, now, out) {
            Walk::Reply(length) => Verdict::Reply(length),
            Walk::ReplyAndRenew(length, pending) => Verdict::ReplyThenLater(length, pending),
            Walk::Silence => Verdict::Silence,
            Walk::LookUp(pending) => Verdict::Later(pending),
        }
    }

    /// What is malformed, or answered with an error anyway, gets nothing here.
    fn refuse(&self, message: &[u8], client: Client, out: &mut [u8]) -> Option<usize> {
        let echo = Query::parse(message).ok()?.echo;
        let limit = if client.transport == Transport::Tcp { out.len() } else { reply::udp_limit(&echo, UDP_CAP) };
        let form = Form { limit, nsid: b"", ede: Some(Ede::Prohibited), ede_text: "", rotation: 0, keepalive: None };
        Some(reply::write_error(out, &echo, Rcode::REFUSED, &form))
    }

    async fn answer_later(&self, worker: usize, pending: Pending) -> Option<Vec<u8>> {
        self.look_up(worker, pending).await
    }
}
