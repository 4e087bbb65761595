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

/// All of them, each with its name.
pub(crate) fn all() -> Vec<(String, Play)> {
    let mut all: Vec<(String, Play)> = Vec::new();
    for transport in Transport::ALL {
        all.push((format!("servers_are_killed_rolled_and_frozen_{transport:?}"), Box::new(move |proof| servers::play(proof, transport))));
    }
    all.push(("all_connections_are_reset_at_once".to_owned(), Box::new(servers::reset)));
    all.push(("names_that_never_answer_and_names_that_take_two_seconds".to_owned(), Box::new(slow::play)));
    all.push(("the_upstream_is_away".to_owned(), Box::new(away::play)));
    all.push(("packets_are_lost_each_way".to_owned(), Box::new(loss::play)));
    all.push(("every_answer_takes_200_ms".to_owned(), Box::new(loss::delay)));
    all.push(("the_list_of_servers_changes_every_second".to_owned(), Box::new(changes::play)));
    all.push(("a_server_does_wrong_names_of_the_cluster".to_owned(), Box::new(|proof| faults::play(proof, "cluster"))));
    all.push(("a_server_does_wrong_other_names".to_owned(), Box::new(|proof| faults::play(proof, "external"))));
    all.push(("unbound_and_knot_resolver_behind".to_owned(), Box::new(resolvers::play)));
    all
}
