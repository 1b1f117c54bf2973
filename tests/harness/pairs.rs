//! Few combinations of many switches in which every pair of values occurs.

/// A combination: the position of a value for each switch.
pub type Combination = Vec<usize>;

/// Combinations of switches with so many values each; every pair of values of two switches occurs.
///
/// Greedy: each combination begins with a pair that is still missing, and takes for every other
/// switch the value that brings the most missing pairs.
#[must_use]
pub fn all_pairs(sizes: &[usize]) -> Vec<Combination> {
    let mut missing = pairs_of(sizes);
    let mut found = Vec::new();
    while let Some(&((one, a), (other, b))) = missing.first() {
        let mut chosen: Vec<Option<usize>> = vec![None; sizes.len()];
        (chosen[one], chosen[other]) = (Some(a), Some(b));
        for switch in 0..sizes.len() {
            if chosen[switch].is_none() {
                let gain = |value: usize| missing.iter().filter(|pair| brings(&chosen, (switch, value), pair)).count();
                // The first of the best, so that the result never changes.
                chosen[switch] = (0..sizes[switch]).max_by_key(|value| (gain(*value), usize::MAX - value));
            }
        }
        let combination: Combination = chosen.into_iter().map(Option::unwrap_or_default).collect();
        missing.retain(|pair| !holds(&combination, pair));
        found.push(combination);
    }
    found
}

/// Two switches with a value each.
type Pair = ((usize, usize), (usize, usize));

fn pairs_of(sizes: &[usize]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (one, values) in sizes.iter().enumerate() {
        for (other, others) in sizes.iter().enumerate().skip(one + 1) {
            pairs.extend((0..*values).flat_map(|a| (0..*others).map(move |b| ((one, a), (other, b)))));
        }
    }
    pairs
}

fn brings(chosen: &[Option<usize>], new: (usize, usize), (one, other): &Pair) -> bool {
    let is_chosen = |(switch, value): &(usize, usize)| chosen[*switch] == Some(*value);
    (*one == new && is_chosen(other)) || (*other == new && is_chosen(one))
}

fn holds(combination: &[usize], (one, other): &Pair) -> bool {
    combination[one.0] == one.1 && combination[other.0] == other.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_occurs_in_far_fewer_combinations_than_there_are() {
        for sizes in [&[2, 2][..], &[2, 3, 4], &[2, 2, 2, 2, 2, 2, 4, 5, 2, 3], &[3, 1, 5]] {
            let found = all_pairs(sizes);
            for pair in pairs_of(sizes) {
                assert!(found.iter().any(|combination| holds(combination, &pair)), "{pair:?} of {sizes:?}");
            }
            let fits = |combination: &Combination| combination.iter().zip(sizes).all(|(value, size)| value < size);
            assert!(found.iter().all(fits), "{found:?}");
            let mut largest = sizes.to_vec();
            largest.sort_unstable();
            let least = largest.iter().rev().take(2).product::<usize>();
            assert!((least..=2 * least).contains(&found.len()), "{} of {sizes:?}", found.len());
        }
    }
}
