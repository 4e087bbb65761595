//! Queries, written octet by octet.

/// A query with id 7 and RD. `dnssec_ok`: the flags of its OPT, 0x80 for DO; `None`: no OPT.
pub(crate) fn query(name: &str, qtype: u8, dnssec_ok: Option<u8>) -> Vec<u8> {
    let mut query = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(dnssec_ok.is_some())];
    for label in name.split('.') {
        query.push(label.len() as u8);
        query.extend(label.as_bytes());
    }
    query.extend([0, 0, qtype, 0, 1]);
    if let Some(flag) = dnssec_ok {
        query.extend([0, 0, 41, 4, 208, 0, 0, flag, 0, 0, 0]);
    }
    query
}
