//! Where the listeners meet the resolver.

use std::time::Instant;

use crate::listen::{Client, Respond, Transport, Verdict};
use crate::resolve::{self, Pending, Resolver, Walk};

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

    async fn answer_later(&self, worker: usize, pending: Pending) -> Option<Vec<u8>> {
        self.look_up(worker, pending).await
    }
}
