//! What is sorted, and how many stand before whom, without counting them one by one.

/// A bucket that grows beyond this is split in two.
const FULL: usize = 256;

/// Keys in order, in buckets: none of them is empty, and together they are sorted.
#[derive(Debug)]
pub(super) struct Ordered<K> {
    buckets: Vec<Vec<K>>,
    len: usize,
}

impl<K> Default for Ordered<K> {
    fn default() -> Self {
        Self { buckets: Vec::new(), len: 0 }
    }
}

impl<K: Ord> Ordered<K> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many keys are less than this one.
    pub(super) fn before(&self, key: &K) -> usize {
        let at = self.bucket_of(key);
        let earlier: usize = self.buckets.iter().take(at).map(Vec::len).sum();
        earlier + self.buckets.get(at).map_or(0, |bucket| bucket.partition_point(|known| known < key))
    }

    /// Adds a key that is not there.
    pub(super) fn insert(&mut self, key: K) {
        self.len += 1;
        let at = self.bucket_of(&key);
        let Some(bucket) = self.buckets.get_mut(at) else {
            self.buckets.push(vec![key]);
            return;
        };
        bucket.insert(bucket.partition_point(|known| *known < key), key);
        if bucket.len() > FULL {
            let second = bucket.split_off(FULL / 2);
            self.buckets.insert(at + 1, second);
        }
    }

    pub(super) fn remove(&mut self, key: &K) {
        let at = self.bucket_of(key);
        let Some(bucket) = self.buckets.get_mut(at) else { return };
        let Ok(place) = bucket.binary_search(key) else { return };
        bucket.remove(place);
        self.len -= 1;
        if bucket.is_empty() {
            self.buckets.remove(at);
        }
    }

    /// The bucket that holds this key, or would.
    fn bucket_of(&self, key: &K) -> usize {
        let ends_before = |bucket: &Vec<K>| bucket.last().is_some_and(|last| last < key);
        self.buckets.partition_point(ends_before).min(self.buckets.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_counts_as_a_sorted_set_does(changes in prop::collection::vec((any::<bool>(), 0..2000_u32), 0..3000)) {
            let (mut found, mut wanted) = (Ordered::default(), BTreeSet::new());
            for (adds, key) in changes {
                if !adds {
                    found.remove(&key);
                    wanted.remove(&key);
                } else if wanted.insert(key) {
                    found.insert(key);
                }
            }
            prop_assert_eq!(found.len(), wanted.len());
            for key in [0, 1, 500, 1000, 1999, 2000] {
                prop_assert_eq!(found.before(&key), wanted.range(..key).count());
            }
        }
    }
}
