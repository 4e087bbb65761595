//! The scenarios, in the order in which they are played: each leaves doorstep installed and the redirect standing for the next, unless it
//! is the last.

mod answers;
mod blackholes;
mod failures;
mod gates;
mod memory;
mod mistakes;
mod operator;
mod outage;
mod placement;
mod preflight;
mod privileges;
mod releases;
mod start;
mod switch;
mod throttled;
mod uninstall;
mod verdict;

use crate::harness::Cluster;

type Scenario = (&'static str, fn(&Cluster));

/// Names are sentences, as anywhere.
pub(crate) const ALL: &[Scenario] = &[
    ("no_policy_before_an_agent_is_ready_and_one_from_agents_that_start_together", start::one_policy_once_agents_are_ready),
    ("every_way_of_asking_is_answered_by_the_agent_of_the_same_node", answers::of_the_same_node),
    ("a_second_ask_is_a_hit_of_which_coredns_hears_nothing", answers::second_ask_is_a_hit),
    ("a_killed_agent_is_stood_in_for_by_coredns", failures::killed),
    ("a_deleted_pod_costs_no_query", failures::deleted),
    ("a_rollout_costs_no_query", failures::rolled_out),
    ("off_takes_the_policy_and_on_brings_it_back", switch::off_and_on),
    ("a_policy_deleted_by_hand_stays_gone_until_a_person_resumes", switch::deleted_by_hand),
    ("an_operator_sees_and_switches_it_from_the_terminal", operator::at_the_terminal),
    ("network_policies_that_would_cut_pods_off_are_found_and_cured_as_printed", preflight::found_and_cured),
    ("preflight_judges_by_what_the_agents_are_told", preflight::judged_as_agents_do),
    ("an_api_server_takes_the_policies_that_the_analysis_is_tested_on", preflight::policies_are_real),
    ("a_network_policy_that_would_cut_pods_off_keeps_the_redirect_from_being_created", gates::network_policy),
    ("a_replaced_daemonset_gets_its_policy_back", memory::daemonset_replaced),
    ("without_the_agents_state_nothing_is_created_or_deleted", memory::state_garbled_or_gone),
    ("a_node_without_an_agent_is_served_by_coredns", placement::node_pool_by_node_pool),
    ("a_cilium_that_has_become_harmful_takes_the_policy_with_it", releases::downgraded),
    ("a_harmful_cilium_that_is_accepted_costs_what_it_says", releases::accepted),
    ("a_newer_cilium_takes_nothing", releases::upgraded),
    ("ports_of_other_names_take_the_policy_with_them_and_are_refused", mistakes::port_names),
    ("ports_that_no_pod_declares_take_the_policy_with_them_and_are_refused", mistakes::undeclared_ports),
    ("agents_that_lack_a_family_of_the_service_are_not_ready_and_create_no_policy", mistakes::one_family),
    ("a_second_policy_for_the_service_takes_ours_with_it_and_is_refused", mistakes::second_policy),
    ("a_node_whose_data_path_is_broken_is_left_to_coredns_and_taken_back", blackholes::one_node),
    ("a_new_policy_is_taken_back_where_every_data_path_is_broken", blackholes::every_node),
    ("by_verdict_a_node_that_alone_is_cut_off_is_left_to_coredns_and_taken_back", verdict::one_node),
    ("by_verdict_nobody_leaves_a_coredns_that_is_away_for_everybody", verdict::coredns_away),
    ("by_verdict_all_leave_whose_service_is_deleted_and_return_to_a_new_one", verdict::service_deleted),
    ("dns_goes_on_while_the_api_server_is_away", outage::api_server_away),
    ("a_quiet_cluster_is_not_written_to", outage::quiet),
    ("a_drain_lets_agents_leave_one_by_one_and_costs_no_query", switch::drained),
    ("nothing_is_granted_that_is_not_used_nor_used_that_is_not_granted", privileges::granted_and_used),
    ("uninstalling_leaves_nothing_and_costs_no_query", uninstall::nothing_left),
];

/// Measurements that take long and judge nothing; played where they are asked for: `cargo test --test cluster -- --ignored`.
pub(crate) const MEASUREMENTS: &[Scenario] = &[("off_against_drain_with_coredns_at_a_tenth", throttled::off_against_drain)];
