//! Length and message (RFC 1035 §4.2.2): whole frames out of a stream that dribbles or bunches (RFC 7766 §8).

/// Room a quiet connection keeps.
const BASE: usize = 2_048;

/// Octets read and not yet taken. Grows to the message announced, shrinks when it is taken.
#[derive(Debug)]
pub(super) struct Frames {
    /// Read into with `read_buf`.
    pub(super) buffer: Vec<u8>,
}

impl Frames {
    pub(super) fn new() -> Self {
        Frames { buffer: Vec::with_capacity(BASE) }
    }

    /// Hands over every whole message, in order.
    pub(super) fn take(&mut self, mut message: impl FnMut(&[u8])) {
        let mut start = 0;
        while let Some(length) = announced(&self.buffer[start..]) {
            let end = start + 2 + length;
            if end > self.buffer.len() {
                break;
            }
            message(&self.buffer[start + 2..end]);
            start = end;
        }
        self.buffer.drain(..start);
        let wanted = announced(&self.buffer).map_or(BASE, |length| (2 + length).max(BASE));
        if self.buffer.capacity() > wanted {
            self.buffer.shrink_to(wanted);
        }
        self.buffer.reserve_exact(wanted.saturating_sub(self.buffer.len()));
    }

    /// Whether a message has begun and not ended.
    pub(super) fn is_amid(&self) -> bool {
        !self.buffer.is_empty()
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
        frames.take(|message| all.push(message.to_vec()));
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
