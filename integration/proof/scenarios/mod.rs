//! The scenarios, by what fails.

mod away;
mod changes;
mod faults;
mod loss;
mod resolvers;
mod servers;
mod slow;

pub(crate) use loss::{INSIDE, play_inside};

use crate::Proof;
use crate::servers::Transport;

/// What plays one scenario; it panics where clients lost what they must not lose.
pub(crate) type Play = Box<dyn FnOnce(&Proof) + Send>;

/// All of them, each with its name. Those with most load do not stand side by side.
pub(crate) fn all() -> Vec<(String, Play)> {
    let one_fails = |transport| -> (String, Play) {
        (format!("a_server_is_killed_rolled_and_frozen_{transport:?}"), Box::new(move |proof| servers::play(proof, transport)))
    };
    let play = |name: &str, play: fn(&Proof)| -> (String, Play) { (name.to_owned(), Box::new(play)) };
    vec![
        one_fails(Transport::Udp),
        play("all_connections_are_reset_at_once", servers::reset),
        play("every_answer_takes_200_ms", loss::delay),
        one_fails(Transport::Tcp),
        play("packets_are_lost_each_way", loss::play),
        one_fails(Transport::Tls),
        play("the_upstream_is_away", away::play),
        one_fails(Transport::Quic),
        play("a_server_does_wrong_names_of_the_cluster", |proof| faults::play(proof, "cluster")),
        play("a_server_does_wrong_other_names", |proof| faults::play(proof, "external")),
        play("the_list_of_servers_changes_every_second", changes::play),
        play("unbound_is_the_upstream", |proof| resolvers::play(proof, "unbound")),
        play("knot_resolver_is_the_upstream", |proof| resolvers::play(proof, "kresd")),
        play("names_that_never_answer_and_names_that_take_two_seconds", slow::play),
    ]
}
