//! Inputs that are kept: what is usual, and what was wrong once.

const QUERIES: &str = include_str!("corpus/query.hex");
const ANSWERS: &str = include_str!("corpus/answer.hex");
const README: &str = include_str!("../../README.md");

pub(crate) fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "answer" | "answer-differential" => lines(ANSWERS),
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

/// A line of hexadecimal digits each; `#` begins a comment.
fn lines(text: &str) -> Vec<Vec<u8>> {
    let octets = |line: &str| {
        let digits: Vec<u32> = line.chars().filter_map(|letter| letter.to_digit(16)).collect();
        digits.chunks(2).map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | *digit as u8)).collect()
    };
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(octets).collect()
}
