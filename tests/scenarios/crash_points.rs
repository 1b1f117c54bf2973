//! Every effect of the running operator, cut in every way: the world ends as if nothing had happened
//! (`F01`–`F04`, `F09`, `F43`; `S1`–`S6`, `S10`, `S12`–`S15`).

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bunq_oauth_operator::{bunq::Call, controller::KubeCall};
use libtest_mimic::Trial;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use testbed::harness::{
    Outcome, World,
    crash::{Dropped, Effect, Lane, Point, PollCut, Reference, STORIES, Story},
    ensure,
    outcome::chain,
};

use crate::stage::{Stage, report};

/// A story with all its cuts takes minutes.
const LONGEST: Duration = Duration::from_mins(20);
/// Pairs of cuts that are drawn for each story; `CRASH_PAIRS` names another number.
const PAIRS: usize = 25;
/// What they are drawn with; `CRASH_SEED` names another.
const SEED: u64 = 20_261_122;
/// Broken runs that a failure spells out.
const EXAMPLES: usize = 3;
/// Stories that are cut at every poll, and more polls than they have.
const POLLED: [&str; 2] = ["registers", "moves_and_renames"];
const MOST_POLLS: usize = 1000;
/// A call that the client knows and the operator has no need of; and an operator that is alone holds no
/// lease: who leads is another story.
const NEVER_MADE: [Effect; 4] = [
    Effect::Bank(Call::GetUser),
    Effect::Kube(KubeCall::ReadLease),
    Effect::Kube(KubeCall::CreateLease),
    Effect::Kube(KubeCall::UpdateLease),
];

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    let story = "crash_points";
    let mut trials =
        vec![stage.scenario_within(story, "every_effect_of_the_operator_has_a_story", LONGEST, every_effect)];
    for played in STORIES {
        let one = format!("one_cut_anywhere_changes_nothing_in_the_end_when_it_{}", played.name);
        trials.push(stage.scenario_within(story, &one, LONGEST, move |world| one_cut(world, played)));
        let two = format!("two_cuts_anywhere_change_nothing_in_the_end_when_it_{}", played.name);
        trials.push(stage.scenario_within(story, &two, LONGEST, move |world| two_cuts(world, played)));
    }
    for dropped in [Dropped::Pass, Dropped::Process] {
        let name = format!("dropped_after_any_poll_a_{}_leaves_nothing_undone", format!("{dropped:?}").to_lowercase());
        trials.push(stage.scenario_within(story, &name, LONGEST, move |world| dropped_after_any_poll(world, dropped)));
    }
    trials
}

async fn every_effect(world: Arc<World>) -> Outcome {
    let lane = Lane::new(world);
    let mut met: BTreeSet<Effect> = NEVER_MADE.into_iter().collect();
    for story in STORIES {
        met.extend(Reference::play(&lane, story).await?.effects());
    }
    let unmet: Vec<String> = Effect::all().filter(|effect| !met.contains(effect)).map(|it| it.to_string()).collect();
    ensure(unmet.is_empty(), || format!("no story has {unmet:?}"))
}

/// One effect, cut in one way: a creation, a redirect URL, a step of the handshake, any wait (F01, F03, F04,
/// F09, F43).
async fn one_cut(world: Arc<World>, story: &'static Story) -> Outcome {
    let lane = Lane::new(world);
    let reference = Reference::play(&lane, story).await?;
    let runs: Vec<Vec<Point>> = reference.points().into_iter().map(|point| vec![point]).collect();
    let missed = play_all(&lane, &reference, &runs).await?;
    let cut = runs.len() - missed.len();
    report(&format!("crash points, {}: {} effects, {} runs, {cut} cuts", story.name, runs.len() / 4, runs.len()));
    // A pass more or less is a matter of chance, and so are its reads and what it tells.
    let is_told = |effect: Effect| effect == Effect::Kube(KubeCall::PublishEvent);
    let written = missed.iter().filter(|it| it.effect.is_write() && !is_told(it.effect));
    let written: Vec<String> = written.map(ToString::to_string).collect();
    ensure(written.is_empty() && missed.len() <= runs.len() / 10, || {
        format!("{} of {} cuts were not made, of writes {written:?}", missed.len(), runs.len())
    })
}

/// Wherever it waits for the API server or the bank, for every poll of it, until there is none left (F43).
async fn dropped_after_any_poll(world: Arc<World>, dropped: Dropped) -> Outcome {
    let lane = Lane::new(world);
    for story in STORIES.iter().filter(|story| POLLED.contains(&story.name)) {
        let reference = Reference::play(&lane, story).await?;
        let (mut poll, mut broken) = (1, Vec::new());
        loop {
            match reference.survives_poll(&lane, PollCut { poll, dropped }).await {
                Ok(true) => poll += 1,
                Ok(false) => break,
                Err(error) => {
                    report(&chain(error.as_ref()));
                    broken.push(chain(error.as_ref()));
                    poll += 1;
                }
            }
            ensure(poll < MOST_POLLS, || format!("there is no end after {poll} polls"))?;
        }
        let polls = poll - 1;
        report(&format!("polls, {}: {dropped:?} dropped after each of {polls}", story.name));
        ensure(polls >= reference.polls() / 2, || format!("{polls} of {} polls", reference.polls()))?;
        ensure(broken.is_empty(), || format!("{} of {polls} broke:\n{}", broken.len(), broken.join("\n")))?;
    }
    Ok(())
}

/// Two of them (F01, F02, F43).
async fn two_cuts(world: Arc<World>, story: &'static Story) -> Outcome {
    let lane = Lane::new(world);
    let reference = Reference::play(&lane, story).await?;
    let seed = setting("CRASH_SEED").unwrap_or(SEED);
    let count = setting("CRASH_PAIRS").map_or(Ok(PAIRS), usize::try_from)?;
    let points = reference.points();
    let mut dice = StdRng::seed_from_u64(seed);
    let mut draw = || points[dice.gen_range(0..points.len())];
    let runs: Vec<Vec<Point>> = (0..count).map(|_| vec![draw(), draw()]).collect();
    let missed = play_all(&lane, &reference, &runs).await?;
    let cut = 2 * count - missed.len();
    report(&format!("pairs of crash points, {}: {count} runs, {cut} cuts, seed {seed}", story.name));
    Ok(())
}

/// Plays all of them, however many break, and tells which cuts found nothing to cut.
async fn play_all(lane: &Lane, reference: &Reference, runs: &[Vec<Point>]) -> Outcome<Vec<Point>> {
    let (mut missed, mut broken) = (Vec::new(), Vec::new());
    for points in runs {
        match reference.survives(lane, points).await {
            Ok(made) => missed.extend(points.iter().filter(|point| !made.contains(point))),
            Err(error) => {
                broken.push(chain(error.as_ref()));
                // A campaign is long: nobody waits for its end to hear of it.
                report(broken.last().map(|told| told.lines().take(2).collect::<String>()).unwrap_or_default().as_str());
            }
        }
    }
    let told = || {
        format!("{} of {} runs broke:\n{}", broken.len(), runs.len(), broken[..broken.len().min(EXAMPLES)].join("\n"))
    };
    ensure(broken.is_empty(), told)?;
    Ok(missed)
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
