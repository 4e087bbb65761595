//! What a server under measurement says of itself at `/metrics`.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::server::admin_of;

/// The sum of the metric `name` of the server that answers at `address`, over the series that contain `label`; NaN where it has none.
pub(crate) fn sum(address: SocketAddr, name: &str, label: &str) -> f64 {
    let page = page(admin_of(address)).unwrap_or_default();
    let series = page.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
    let values = series.filter(|line| line.contains(label)).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.fold(f64::NAN, |sum, value| if sum.is_nan() { value } else { sum + value })
}

fn page(admin: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(admin)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}
