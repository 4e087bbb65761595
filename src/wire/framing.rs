//! Length and message (RFC 1035 §4.2.2): whole frames out of a stream that dribbles or bunches (RFC 7766 §8).

/// Room a quiet connection keeps.
const BASE: usize = 2_048;

/// Octets read and not yet taken. Grows to the message announced (65,537 octets at most), shrinks when it is taken.
#[derive(Debug)]
pub struct Frames {
    buffer: Vec<u8>,
    /// Octets at the front that were handed over.
    taken: usize,
}

impl Frames {
    /// Empty.
    pub fn new() -> Self {
        Frames { buffer: Vec::with_capacity(BASE), taken: 0 }
    }

    /// To be read into (`read_buf`): as much room as the message at hand needs, once [`Frames::take_next`] has said that none is whole.
    pub fn room(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// The next whole message, without its length; `None`: more must be read first.
    pub fn take_next(&mut self) -> Option<&[u8]> {
        let waiting = &self.buffer[self.taken..];
        let length = announced(waiting);
        if let Some(length) = length.filter(|length| 2 + length <= waiting.len()) {
            let start = self.taken + 2;
            self.taken = start + length;
            return Some(&self.buffer[start..self.taken]);
        }
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let wanted = length.map_or(BASE, |length| (2 + length).max(BASE));
        if self.buffer.capacity() > wanted {
            self.buffer.shrink_to(wanted);
        }
        self.buffer.reserve_exact(wanted.saturating_sub(self.buffer.len()));
        None
    }

    /// Octets that it takes.
    pub fn held(&self) -> usize {
        self.buffer.capacity()
    }

    /// Whether a message has begun and not ended.
    pub fn is_amid(&self) -> bool {
        self.buffer.len() > self.taken
    }
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}

fn announced(octets: &[u8]) -> Option<usize> {
    let [high, low, ..] = octets else { return None };
    Some(usize::from(u16::from_be_bytes([*high, *low])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(frames: &mut Frames) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(message) = frames.take_next() {
            all.push(message.to_vec());
        }
        all
    }

    #[test]
    fn dribbled_and_bunched_octets_make_the_same_messages() {
        let stream = [0, 3, 1, 2, 3, 0, 0, 0, 1, 9];
        let expected = vec![vec![1, 2, 3], vec![], vec![9]];
        let mut frames = Frames::new();
        frames.buffer.extend(stream);
        assert_eq!(taken(&mut frames), expected);
        let mut dribbled = Vec::new();
        for octet in stream {
            frames.buffer.push(octet);
            dribbled.extend(taken(&mut frames));
        }
        assert_eq!(dribbled, expected);
        assert!(!frames.is_amid());
    }

    #[test]
    fn the_buffer_grows_to_the_message_and_shrinks_after_it() {
        let mut frames = Frames::new();
        frames.buffer.extend([0xff, 0xff, 7]);
        assert!(taken(&mut frames).is_empty());
        assert!(frames.is_amid());
        assert_eq!(frames.buffer.capacity(), 2 + 65_535);
        frames.buffer.resize(2 + 65_535, 7);
        assert_eq!(taken(&mut frames)[0].len(), 65_535);
        assert!(frames.buffer.capacity() <= BASE);
    }
}
