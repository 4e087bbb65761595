//! The two ConfigMaps: what people want, and what the agents remember. Agents only read the first, so no GitOps tool fights anyone.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::quorum::Blackhole;

/// The people's ConfigMap.
pub const PEOPLE: &str = "doorstep-redirect";
/// The agents' ConfigMap.
pub const STATE: &str = "doorstep-redirect-state";
/// The annotation on the people's ConfigMap whose new value, whatever it is, clears a hold.
pub const RESUME_ANNOTATION: &str = "doorstep.dev/resume";
/// The key of the people's ConfigMap.
pub const REDIRECT_KEY: &str = "redirect";
/// Its other key: over how long the agents leave at a drain.
pub const DRAIN_OVER_KEY: &str = "drain_over";
/// Unless people say otherwise.
pub const DRAIN_OVER: Duration = Duration::from_secs(300);
/// What people may say: long enough for the agents to leave one by one, and no drain that is forgotten.
pub const DRAIN_OVER_BOUNDS: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(24 * 3600)];

const EMITTED_KEY: &str = "emitted";
const HOLD_KEY: &str = "hold";
const BLACKHOLES_KEY: &str = "blackholes";

/// The data of a ConfigMap, or its annotations.
pub type Texts = BTreeMap<String, String>;

/// Why something in the cluster is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Not read yet, or the API server does not answer.
    Unseen,
    /// It does not exist; for policies: the CRD does not.
    Missing,
    /// It says something that makes no sense.
    Garbled(String),
}

/// What people want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Redirect once all is well.
    On,
    /// No policy.
    Off,
    /// No policy, after the agents have left one by one.
    Drain,
}

impl Switch {
    /// As people write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Drain => "drain",
        }
    }
}

/// What a hold answers: as soon as a person changes one of the two, the hold is cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// `data.redirect` as it was written.
    pub redirect: Option<String>,
    /// The annotation [`RESUME_ANNOTATION`].
    pub resume: Option<String>,
}

/// `ConfigMap/doorstep-redirect`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct People {
    /// What they want.
    pub switch: Switch,
    /// Over how long the agents leave where they want a drain; otherwise [`DRAIN_OVER`].
    pub drain_over: Duration,
    /// In which words.
    pub answer: Answer,
}

impl People {
    /// Reads the ConfigMap. Without the key the switch is on.
    ///
    /// # Errors
    /// Another word than `on`, `off`, `drain`; with `drain`, a time that is none, or out of [`DRAIN_OVER_BOUNDS`].
    pub fn read(data: &Texts, annotations: &Texts) -> Result<Self, Unknown> {
        let answer = Answer { redirect: data.get(REDIRECT_KEY).cloned(), resume: annotations.get(RESUME_ANNOTATION).cloned() };
        let switch = match answer.redirect.as_deref().map(str::trim) {
            None | Some("on") => Switch::On,
            Some("off") => Switch::Off,
            Some("drain") => Switch::Drain,
            Some(other) => {
                let word: String = other.chars().take(40).collect();
                return Err(Unknown::Garbled(format!("ConfigMap {PEOPLE} says redirect: {word:?}; write \"on\", \"off\" or \"drain\"")));
            }
        };
        // Only a drain asks for it: `off` is obeyed whatever stands beside it.
        let asked = data.get(DRAIN_OVER_KEY).filter(|_| switch == Switch::Drain);
        let drain_over = asked
            .map_or(Ok(DRAIN_OVER), |text| read_drain_over(text))
            .map_err(|wrong| Unknown::Garbled(format!("ConfigMap {PEOPLE} says {DRAIN_OVER_KEY}: {wrong}")))?;
        Ok(Self { switch, drain_over, answer })
    }
}

/// Reads a time within [`DRAIN_OVER_BOUNDS`].
///
/// # Errors
/// What was written instead, and what to write.
pub fn read_drain_over(text: &str) -> Result<Duration, String> {
    let [least, most] = DRAIN_OVER_BOUNDS;
    humantime::parse_duration(text.trim()).ok().filter(|over| (least..=most).contains(over)).ok_or_else(|| {
        let word: String = text.chars().take(40).collect();
        format!("{word:?}; write a time from {} to {}, such as \"5m\"", humantime::format_duration(least), humantime::format_duration(most))
    })
}

/// `ConfigMap/doorstep-redirect-state`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The policy that stands by the agents' doing. It is cleared *before* an agent deletes that policy, so that a policy which is emitted
    /// and absent was deleted by somebody else.
    pub emitted: Option<Emitted>,
    /// Why there is to be no policy although the switch is on.
    pub hold: Option<Hold>,
    /// Blackholes that agents found while the policy was new.
    pub blackholes: Vec<Blackhole>,
}

/// The policy that the agents created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emitted {
    /// Its uid.
    pub uid: String,
    /// The uid of the DaemonSet it belongs to.
    pub owner: String,
    /// Its spec's hash.
    pub spec: String,
}

/// No policy until a person changes what the hold answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// A sentence for people.
    pub reason: String,
    /// When it was written, RFC 3339.
    pub since: String,
    /// What the people's ConfigMap said then.
    pub answers: Answer,
}

impl Hold {
    /// A hold from `now` on, told since the epoch.
    pub fn new(reason: &str, now: Duration, people: &People) -> Self {
        Self {
            reason: reason.to_owned(),
            since: humantime::format_rfc3339_seconds(UNIX_EPOCH + now).to_string(),
            answers: people.answer.clone(),
        }
    }
}

impl State {
    /// Reads the ConfigMap, which is in `namespace`. An absent key is nothing emitted, nothing held.
    ///
    /// # Errors
    /// A key whose text is not what an agent writes.
    pub fn read(data: &Texts, namespace: &str) -> Result<Self, Unknown> {
        Ok(Self {
            emitted: parse(data, EMITTED_KEY, namespace)?,
            hold: parse(data, HOLD_KEY, namespace)?,
            blackholes: parse(data, BLACKHOLES_KEY, namespace)?.unwrap_or_default(),
        })
    }

    /// The ConfigMap's keys with their texts; `None` removes the key.
    pub fn texts(&self) -> [(&'static str, Option<String>); 3] {
        [
            (EMITTED_KEY, self.emitted.as_ref().map(print)),
            (HOLD_KEY, self.hold.as_ref().map(print)),
            (BLACKHOLES_KEY, (!self.blackholes.is_empty()).then(|| print(&self.blackholes))),
        ]
    }
}

fn parse<T: for<'de> Deserialize<'de>>(data: &Texts, key: &str, namespace: &str) -> Result<Option<T>, Unknown> {
    let garbled = |error| {
        Unknown::Garbled(format!(
            "ConfigMap {STATE}, key {key}: {error}; remove the key with: kubectl -n {namespace} patch configmap {STATE} --type merge -p '{{\"data\":{{\"{key}\":null}}}}'"
        ))
    };
    data.get(key).map(|text| serde_json::from_str(text)).transpose().map_err(garbled)
}

fn print<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("strings and numbers are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        pairs.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn the_switch_is_on_without_a_key_and_anything_but_the_three_words_is_garbled() {
        let switch = |data: &[(&str, &str)]| People::read(&texts(data), &Texts::new()).map(|people| people.switch);
        assert_eq!(switch(&[]), Ok(Switch::On));
        assert_eq!(switch(&[("redirect", "on")]), Ok(Switch::On));
        assert_eq!(switch(&[("redirect", "off\n")]), Ok(Switch::Off), "what an editor leaves behind");
        assert_eq!(switch(&[("redirect", "drain")]), Ok(Switch::Drain));
        for wrong in ["", "true", "ON", "of"] {
            assert!(matches!(switch(&[("redirect", wrong)]), Err(Unknown::Garbled(_))), "{wrong:?}");
        }
    }

    #[test]
    fn a_drain_takes_five_minutes_unless_people_give_it_a_time_within_bounds() {
        let over = |data: &[(&str, &str)]| People::read(&texts(data), &Texts::new()).map(|people| people.drain_over);
        assert_eq!(over(&[("redirect", "drain")]), Ok(DRAIN_OVER));
        assert_eq!(over(&[("redirect", "drain"), ("drain_over", "30m\n")]), Ok(Duration::from_secs(1800)));
        for wrong in ["", "5", "9s", "25h", "soon"] {
            let Err(Unknown::Garbled(reason)) = over(&[("redirect", "drain"), ("drain_over", wrong)]) else {
                panic!("{wrong:?} is a time")
            };
            assert!(reason.contains("from 10s to 1day"), "{reason}");
        }
    }

    #[test]
    fn a_time_that_is_none_keeps_nobody_from_switching_the_redirect_off_or_on() {
        for (word, switch) in [("off", Switch::Off), ("on", Switch::On)] {
            let people = People::read(&texts(&[("redirect", word), ("drain_over", "soon")]), &Texts::new());
            assert_eq!(people.map(|people| people.switch), Ok(switch));
        }
    }

    #[test]
    fn the_state_comes_back_as_it_was_written() {
        let people = People::read(&texts(&[("redirect", "on")]), &texts(&[(RESUME_ANNOTATION, "7")])).unwrap();
        let emitted = Emitted { uid: "u".to_owned(), owner: "o".to_owned(), spec: "s".to_owned() };
        let hold = Hold::new("a \"reason\"", Duration::ZERO, &people);
        assert_eq!(hold.since, "1970-01-01T00:00:00Z");
        for state in [
            State::default(),
            State { emitted: Some(emitted.clone()), ..State::default() },
            State { hold: Some(hold.clone()), ..State::default() },
            State {
                emitted: Some(emitted),
                hold: Some(hold),
                blackholes: vec![Blackhole { agent: "a".to_owned(), policy: "u".to_owned(), at: 7 }],
            },
        ] {
            let data = state.texts().into_iter().filter_map(|(key, text)| Some((key.to_owned(), text?))).collect();
            assert_eq!(State::read(&data, "dns"), Ok(state));
        }
    }

    #[test]
    fn a_state_that_no_agent_wrote_is_garbled_and_says_the_cure() {
        for wrong in ["", "{}", "null,", "{\"uid\":1}"] {
            let Err(Unknown::Garbled(reason)) = State::read(&texts(&[("emitted", wrong)]), "dns") else { panic!("{wrong:?} is read") };
            assert!(reason.contains("kubectl -n dns patch configmap doorstep-redirect-state"), "{reason}");
        }
    }
}
