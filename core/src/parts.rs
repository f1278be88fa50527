//! Lists that may be long are sent in parts: a bus takes messages of a limited size only.

use std::io::{self, Write};

use serde::Serialize;

/// Most bytes of records in one message. An external NATS server takes 1 MiB unless it is told otherwise; what is
/// around the records has room in the rest.
pub const PART_BYTES: usize = 512 * 1024;

/// Most records in one message.
pub const PART_RECORDS: usize = 1000;

/// Room in one message.
#[derive(Debug)]
pub struct Room {
    bytes: usize,
    records: usize,
    used: bool,
}

impl Default for Room {
    fn default() -> Self {
        Self::new(PART_BYTES, PART_RECORDS)
    }
}

impl Room {
    /// Room for so many bytes and records.
    pub fn new(bytes: usize, records: usize) -> Self {
        Self {
            bytes,
            records,
            used: false,
        }
    }

    /// Takes room for a record; false when it is for the next message. The first one always fits: it has to be sent.
    pub fn take(&mut self, record: &impl Serialize) -> bool {
        let bytes = size(record);
        if self.used && (self.records == 0 || bytes > self.bytes) {
            return false;
        }
        self.used = true;
        self.bytes = self.bytes.saturating_sub(bytes);
        self.records = self.records.saturating_sub(1);
        true
    }
}

/// Divides records among messages, in their order.
pub fn parts<T: Serialize>(records: Vec<T>) -> Vec<Vec<T>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut room = Room::default();
    for record in records {
        if !room.take(&record) {
            parts.push(std::mem::take(&mut part));
            room = Room::default();
            let _first = room.take(&record);
        }
        part.push(record);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// Bytes of a record as JSON, with the comma after it.
fn size(record: &impl Serialize) -> usize {
    let mut count = Count(1);
    match serde_json::to_writer(&mut count, record) {
        Ok(()) => count.0,
        // Whoever sends it says what is wrong with it.
        Err(_) => 0,
    }
}

struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_bounded_and_nothing_is_lost() {
        let large: Vec<String> = (0..20).map(|_| "x".repeat(100_000)).collect();
        let divided = parts(large.clone());
        assert_eq!(
            divided.iter().map(Vec::len).collect::<Vec<_>>(),
            [5, 5, 5, 5]
        );
        assert_eq!(divided.concat(), large);
        let many: Vec<u8> = vec![1; PART_RECORDS + 1];
        assert_eq!(parts(many).len(), 2);
        assert!(parts(Vec::<u8>::new()).is_empty());
    }

    #[test]
    fn a_record_that_is_too_large_goes_alone() {
        let records = vec!["a".to_owned(), "x".repeat(PART_BYTES), "b".to_owned()];
        assert_eq!(parts(records).len(), 3);
    }
}
