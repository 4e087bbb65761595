mod calls;
mod objects;
mod policies;

use super::{Access, Config};
use crate::redirect::CiliumConfig;

/// An agent of the standard installation.
pub(super) fn config() -> Config {
    Config {
        access: Access::ServiceAccount,
        namespace: "kube-system".to_owned(),
        daemon_set: "doorstep".to_owned(),
        dns_service: "kube-dns".to_owned(),
        pod_name: "doorstep-1".to_owned(),
        asks: Vec::new(),
        serves: None,
        template: None,
        cilium: CiliumConfig::default(),
    }
}
