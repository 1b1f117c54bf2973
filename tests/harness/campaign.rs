//! Many stories at many banks, and what came of them.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bunq_oauth_operator::plan::Verdict;

use super::{
    habits::{Axis, Habits},
    play::{Fault, World},
    story::{Start, Story, play, trace},
};

const THREADS: usize = 2;
const BATCH: usize = 200;
/// Broken rules that a failure spells out.
const EXAMPLES: usize = 3;

/// One story at one bank.
#[derive(Clone, Debug)]
pub struct Game {
    /// What happens.
    pub story: &'static Story,
    /// From where.
    pub start: Start,
    /// At which bank.
    pub habits: Habits,
    /// What goes wrong.
    pub faults: Vec<(usize, Fault)>,
}

/// Every story from every start at every bank that the switches can make.
#[must_use]
pub fn games(stories: &'static [Story], starts: &[Start], axes: &[Axis]) -> Vec<Game> {
    let banks = Habits::product(axes);
    let mut games = Vec::new();
    for story in stories {
        for start in starts {
            games.extend(banks.iter().map(|habits| Game { story, start: *start, habits: *habits, faults: Vec::new() }));
        }
    }
    games
}

/// What a game must have come to, beside the rules that hold at every step.
pub type Judge = fn(&Game, &[Verdict], &World) -> Result<(), String>;

#[derive(Default)]
struct Tally {
    verdicts: BTreeMap<(&'static str, String), usize>,
    broken: BTreeMap<String, (usize, String)>,
    steps: usize,
}

/// Plays them all; the error tells every broken rule, how often, and a game that broke it, step by step.
pub fn play_all(title: &str, games: &[Game], judge: Judge) -> Result<(), String> {
    let (tally, next) = (Mutex::new(Tally::default()), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut own = Tally::default();
                while let Some(batch) =
                    games.get(next.fetch_add(BATCH, Ordering::Relaxed)..).filter(|rest| !rest.is_empty())
                {
                    batch.iter().take(BATCH).for_each(|game| own.play(game, judge));
                }
                tally.lock().unwrap_or_else(PoisonError::into_inner).add(own);
            });
        }
    });
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    report(&tally.table(title, games.len()));
    if tally.broken.is_empty() { Ok(()) } else { Err(tally.complaint()) }
}

/// Tells those who ran it what was played.
#[expect(clippy::print_stdout, reason = "the table is what people run this for")]
pub fn report(table: &str) {
    println!("{table}");
}

impl Tally {
    fn play(&mut self, game: &Game, judge: Judge) {
        let outcome = play(game.story, game.start, game.habits, &game.faults).and_then(|(verdicts, world)| {
            let last = verdicts.last().map(word).unwrap_or_default();
            *self.verdicts.entry((game.story.name, last)).or_default() += 1;
            self.steps += world.actions;
            judge(game, &verdicts, &world).map_err(|rule| format!("{rule}\n  {game:?}\n  {verdicts:?}"))
        });
        if let Err(broken) = outcome {
            let rule = format!("{}: {}", game.story.name, broken.lines().next().unwrap_or_default());
            let entry = self.broken.entry(rule).or_default();
            entry.0 += 1;
            if entry.0 == 1 {
                entry.1 = format!("{broken}\n{}", trace(game.story, game.start, game.habits, &game.faults));
            }
        }
    }

    fn add(&mut self, other: Self) {
        for (key, count) in other.verdicts {
            *self.verdicts.entry(key).or_default() += count;
        }
        for (rule, (count, example)) in other.broken {
            self.broken.entry(rule).or_insert((0, example)).0 += count;
        }
        self.steps += other.steps;
    }

    fn table(&self, title: &str, count: usize) -> String {
        let mut text = format!("{title}: {count} combinations, {} steps\n", self.steps);
        for ((story, verdict), count) in &self.verdicts {
            let _infallible = writeln!(text, "  {story:42} {verdict:30} {count:8}");
        }
        text
    }

    fn complaint(&self) -> String {
        let rules = self.broken.iter().map(|(rule, (count, _))| format!("{count} × {rule}"));
        let examples = self.broken.values().take(EXAMPLES).map(|(_, example)| format!("\n{example}"));
        rules.chain(examples).collect::<Vec<_>>().join("\n")
    }
}

/// The verdict without its values.
#[must_use]
pub fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Stalled(stall) => format!("Stalled/{}", stall.reason().as_str()),
        Verdict::Synced | Verdict::Cancelled | Verdict::NothingToCancel | Verdict::Released => format!("{verdict:?}"),
    }
}
