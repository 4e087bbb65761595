//! Inputs that are kept: what is usual, what was wrong once, and what reaches code that neither does.

const QUERIES: &str = include_str!("corpus/query.hex");
const ANSWERS: &str = include_str!("corpus/answer.hex");
const README: &str = include_str!("../../README.md");
const GROWN: [(&str, &str); 6] = [
    ("query", include_str!("corpus/grown/query.hex")),
    ("answer", include_str!("corpus/grown/answer.hex")),
    ("framing", include_str!("corpus/grown/framing.hex")),
    ("config", include_str!("corpus/grown/config.hex")),
    ("query-differential", include_str!("corpus/grown/query-differential.hex")),
    ("answer-differential", include_str!("corpus/grown/answer-differential.hex")),
];

pub(crate) fn written(target: &str) -> Vec<Vec<u8>> {
    match target {
        "answer" | "answer-differential" => [lines(ANSWERS), long_answers()].concat(),
        // Each message behind its length, and all of them in one.
        "framing" => {
            let messages = [lines(QUERIES), lines(ANSWERS)].concat();
            let framed: Vec<Vec<u8>> =
                messages.iter().map(|message| [&(message.len() as u16).to_be_bytes()[..], message].concat()).collect();
            let all = framed.concat();
            framed.into_iter().chain([all]).collect()
        }
        "config" => README.split("```yaml\n").skip(1).filter_map(|block| Some(block.split_once("```")?.0.as_bytes().to_vec())).collect(),
        _ => lines(QUERIES),
    }
}

/// Grown by `led/`, where it reached code that nothing written reaches.
pub(crate) fn grown(target: &str) -> Vec<Vec<u8>> {
    GROWN.iter().filter(|(name, _)| *name == target).flat_map(|(_, text)| lines(text)).collect()
}

/// TXT of the qname up to around 0x4000, where names are out of a pointer's reach (RFC 1035 §4.1.4), or to the end of what a message can
/// be; then hosts that share their ends.
fn long_answers() -> Vec<Vec<u8>> {
    [0x3FC0, 0x3FE8, 0xFF39].map(long_answer).to_vec()
}

fn long_answer(filled: usize) -> Vec<u8> {
    const HOSTS: [&[u8]; 4] =
        [b"\x03ns1\x03far\x04test\x00", b"\x03ns2\x03far\x04test\x00", b"\x01a\x03ns1\x03far\x04test\x00", b"\x04near\xC0\x10"];
    let record = |rtype: u8, data: &[u8]| [&[0xC0, 12, 0, rtype, 0, 1, 0, 0, 0, 60][..], &(data.len() as u16).to_be_bytes(), data].concat();
    let mut message = [&[0, 7, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x03www\x07example\x00\x00\x10\x00\x01"].concat();
    let mut records = 0_u16;
    let mut put = |message: &mut Vec<u8>, rtype, data: &[u8]| {
        message.extend(record(rtype, data));
        records += 1;
        message[6..8].copy_from_slice(&records.to_be_bytes());
    };
    while message.len() < filled {
        let text = (filled - message.len()).saturating_sub(13).min(255);
        put(&mut message, 16, &[&[text as u8][..], &vec![b'x'; text]].concat());
    }
    for host in HOSTS.iter().chain(&HOSTS) {
        put(&mut message, 2, host);
    }
    message
}

/// A line of hexadecimal digits each; `#` begins a comment.
fn lines(text: &str) -> Vec<Vec<u8>> {
    let octets = |line: &str| {
        let digits: Vec<u32> = line.chars().filter_map(|letter| letter.to_digit(16)).collect();
        digits.chunks(2).map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | *digit as u8)).collect()
    };
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(octets).collect()
}
