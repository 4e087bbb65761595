//! What a cluster sees of doorstep, one sentence a scenario.

mod abuse;
mod admin;
mod answers;
mod coalescing;
mod drain;
mod edns;
mod encrypted;
mod endpoints;
mod failures;
mod hostile;
mod listeners;
mod outage;
mod reload;
mod resolvers;
mod rules;
mod size;
mod slow;
mod supervision;
mod usage;
