//! Zones, where their misses go, and since when.

use super::{Config, ZoneConfig};
use crate::cache::Profile;
use crate::wire::Name;

/// The zones of a cluster besides its domain: reverse names of pods and Services, and names of the Multi-Cluster Services API.
const CLUSTER_ZONES: [&str; 3] = ["clusterset.local", "in-addr.arpa", "ip6.arpa"];

/// A zone and where its misses go.
#[derive(Clone, Debug)]
pub struct Zone {
    /// The zone's apex.
    pub name: Name,
    /// How its answers age.
    pub profile: Profile,
    /// Cluster lane (pipelined) or elastic lane.
    pub cluster: bool,
    /// Index of the upstream group.
    pub group: usize,
    /// See [`crate::cache::Epochs::zone`].
    pub epoch: u32,
}

/// All zones of a snapshot.
///
/// An epoch belongs to one zone with one set of settings, and none is ever given twice. So an answer is served only to names that lie
/// in the zone it was fetched for, as that zone still is: not to a zone cut out of it later, nor to the parent of one that was
/// removed, nor to the same zone once it asks elsewhere. What a zone fetched before another was cut out of it is good again when that
/// one goes: it comes from the upstream that is asked now.
pub(super) struct ForwardZones {
    /// The root first.
    zones: Vec<Zone>,
    groups: Box<[Box<str>]>,
    /// The last epoch given, of zones long gone included.
    last_epoch: u32,
}

impl ForwardZones {
    pub(super) fn new(config: &Config, groups: &[&str], changed: &[&str], previous: Option<&Self>) -> Self {
        let last_epoch = previous.map_or(0, |previous| previous.last_epoch);
        let mut all = Self { zones: Vec::new(), groups: groups.iter().map(|name| (*name).into()).collect(), last_epoch };
        let zone = |name: Name, profile: Profile, cluster: bool, group: usize| Zone { name, profile, cluster, group, epoch: 0 };
        all.zones.push(zone(parse("."), Profile::EXTERNAL, false, 0));
        for name in CLUSTER_ZONES.map(parse).into_iter().chain([config.cluster_domain.clone()]) {
            all.put(zone(name, Profile::CLUSTER, true, 0));
        }
        for ZoneConfig { name, group, cluster, profile } in &config.zones {
            // A name of no group leads out of the list: such a zone fails rather than ask somebody else.
            let group = groups.iter().position(|known| known == group).unwrap_or(usize::MAX);
            all.put(zone(name.clone(), *profile, *cluster, group));
        }
        all.give_epochs(changed, previous);
        all
    }

    fn put(&mut self, zone: Zone) {
        match self.zones.iter_mut().find(|known| known.name == zone.name) {
            Some(known) => *known = zone,
            None => self.zones.push(zone),
        }
    }

    fn give_epochs(&mut self, changed: &[&str], previous: Option<&Self>) {
        let mut zones = std::mem::take(&mut self.zones);
        for zone in &mut zones {
            let kept = previous.and_then(|previous| previous.epoch_of(zone, self.group_of(zone)));
            zone.epoch = match kept.filter(|_| !self.group_of(zone).is_some_and(|group| changed.contains(&group))) {
                Some(epoch) => epoch,
                None => {
                    self.last_epoch += 1;
                    self.last_epoch
                }
            };
        }
        self.zones = zones;
    }

    /// The epoch of a zone that was here before with the same settings. Groups are compared by name: their order may change.
    fn epoch_of(&self, zone: &Zone, group: Option<&str>) -> Option<u32> {
        let known = self.zones.iter().find(|known| known.name == zone.name)?;
        let is_same = known.profile == zone.profile && known.cluster == zone.cluster && self.group_of(known) == group;
        is_same.then_some(known.epoch)
    }

    fn group_of(&self, zone: &Zone) -> Option<&str> {
        self.groups.get(zone.group).map(|name| &**name)
    }

    pub(super) fn all(&self) -> &[Zone] {
        &self.zones
    }

    pub(super) fn at(&self, index: u32) -> &Zone {
        &self.zones[index as usize]
    }

    pub(super) fn root(&self) -> &Zone {
        &self.zones[0]
    }
}

fn parse(name: &str) -> Name {
    Name::parse(name).expect("the built-in zones' names are domain names")
}
