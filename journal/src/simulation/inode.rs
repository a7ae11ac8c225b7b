//! A file in memory: its bytes as programs see them, and as they would be after a loss of power.

use super::random::Random;
use crate::format::PAGE_SIZE;
use crate::mmap::Memory;

const SECTOR_SIZE: usize = 512;

#[derive(Debug)]
pub(super) struct Inode {
    pub(super) memory: Memory,
    capacity: usize,
    pub(super) length: usize,
    pub(super) durable: Vec<u8>,
    /// The bytes as they were when each page was last clean.
    pub(super) clean: Vec<u8>,
    /// Pages that were written, even if with the same bytes.
    pub(super) written: Vec<bool>,
    pub(super) is_segment: bool,
}

impl Inode {
    pub(super) fn new(is_segment: bool) -> Self {
        Self {
            memory: Memory::anonymous(PAGE_SIZE).expect("a page is there"),
            capacity: PAGE_SIZE,
            length: 0,
            durable: Vec::new(),
            clean: Vec::new(),
            written: Vec::new(),
            is_segment,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        self.memory.read(&mut bytes, 0);
        bytes
    }

    /// Makes room; what is mapped stays where it is.
    pub(super) fn grow(&mut self, length: usize) {
        if length > self.capacity {
            let bytes = self.bytes();
            self.capacity = length.next_power_of_two().max(PAGE_SIZE);
            self.memory = Memory::anonymous(self.capacity).expect("memory is there");
            self.memory.write(&bytes, 0);
        }
        self.length = self.length.max(length);
        self.clean.resize(self.length, 0);
        self.written.resize(self.length.div_ceil(PAGE_SIZE), false);
    }

    fn range(&self, page: usize) -> std::ops::Range<usize> {
        page * PAGE_SIZE..((page + 1) * PAGE_SIZE).min(self.length)
    }

    pub(super) fn dirty_pages(&self) -> Vec<usize> {
        let bytes = self.bytes();
        let is_dirty =
            |page: &usize| self.written[*page] || bytes[self.range(*page)] != self.clean[self.range(*page)];
        (0..self.written.len()).filter(is_dirty).collect()
    }

    pub(super) fn clean_page(&mut self, page: usize) {
        let range = self.range(page);
        self.written[page] = false;
        self.memory.read(&mut self.clean[range.clone()], range.start);
    }

    pub(super) fn persist(&mut self, page: usize) {
        let range = self.range(page);
        let length = self.durable.len().max(range.end);
        self.durable.resize(length, 0);
        self.memory.read(&mut self.durable[range.clone()], range.start);
    }

    /// What a loss of power leaves of the bytes.
    pub(super) fn after_loss(&self, random: &mut Random) -> Vec<u8> {
        let new = self.bytes();
        let mut image = self.durable.clone();
        if image.len() != new.len() && random.chance(1, 2) {
            image.resize(new.len(), 0);
        }
        for start in (0..image.len().min(new.len())).step_by(PAGE_SIZE) {
            let range = start..(start + PAGE_SIZE).min(image.len()).min(new.len());
            let (old, new) = (&mut image[range.clone()], &new[range]);
            let differs = |(old, new): (&u8, &u8)| old != new;
            let Some(first) = old.iter().zip(new).position(differs) else { continue };
            let last = old.iter().zip(new).rposition(differs).unwrap_or(first);
            match random.below(8) {
                0..=2 => {}
                3..=4 => old.copy_from_slice(new),
                5..=6 => {
                    for (old, new) in old.chunks_mut(SECTOR_SIZE).zip(new.chunks(SECTOR_SIZE)) {
                        if random.chance(1, 2) {
                            old.copy_from_slice(new);
                        }
                    }
                }
                _ => old[first..=last].fill_with(|| random.byte()),
            }
        }
        image
    }

    pub(super) fn replace(&mut self, image: Vec<u8>) {
        self.length = image.len();
        self.capacity = image.len().next_multiple_of(PAGE_SIZE).max(PAGE_SIZE);
        self.memory = Memory::anonymous(self.capacity).expect("memory is there");
        self.memory.write(&image, 0);
        self.written = vec![false; image.len().div_ceil(PAGE_SIZE)];
        self.clean = image.clone();
        self.durable = image;
    }
}
