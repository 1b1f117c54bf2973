//! Flux's checks of a status: ten that fail, five that warn.
//!
//! Ported from github.com/fluxcd/pkg/runtime v0.110.3, `conditions/check`, and
//! compared with it row by row in this module's tests. `FAIL0010` does not
//! exist there either.

use serde_json::Value;

use super::view::View;

/// The conditions that are bad news when they are True, highest first.
const NEGATIVE: &[&str] = &["Reconciling", "Stalled"];

/// A check finds a sentence to complain with, or nothing.
type Check = fn(&View, &[&str]) -> Option<String>;

const AT_REST: &[(&str, Check)] = &[
    ("WARN0001", no_negative_beside_ready),
    ("WARN0002", ready_repeats_highest_negative),
    ("WARN0003", reconciling_not_kept_when_false),
    ("WARN0004", stalled_not_kept_when_false),
    ("WARN0005", conditions_name_their_generation),
    ("FAIL0001", no_true_negative_beside_ready),
    ("FAIL0002", ready_present),
    ("FAIL0003", reconciling_makes_ready_false),
    ("FAIL0004", stalled_makes_ready_false),
    ("FAIL0005", reconciling_or_stalled),
    ("FAIL0006", observed_generation_exists),
    ("FAIL0007", not_ready_before_observed),
    ("FAIL0008", not_ready_with_old_conditions),
    ("FAIL0009", conditions_of_one_generation),
];

const IN_PROGRESS: &[(&str, Check)] = &[
    ("WARN0003", reconciling_not_kept_when_false),
    ("WARN0004", stalled_not_kept_when_false),
    ("WARN0005", conditions_name_their_generation),
    ("FAIL0002", ready_present),
    ("FAIL0004", stalled_makes_ready_false),
    ("FAIL0005", reconciling_or_stalled),
    ("FAIL0006", observed_generation_exists),
    ("FAIL0011", unknown_only_while_reconciling),
];

/// What Flux finds wrong with an object; empty: nothing.
///
/// An object whose newest generation was not looked at yet, or whose Ready is
/// Unknown, is judged as one in progress (`NewInProgressChecker`); every other as
/// one at rest (`NewChecker`).
#[must_use]
pub fn flux_checks(object: &Value) -> Vec<String> {
    let view = View::of(object);
    let not_looked_at = view.observed_generation.unwrap_or(0) < view.generation;
    if not_looked_at || view.is("Ready", "Unknown") { in_progress(object) } else { at_rest(object) }
}

/// The checks of `NewChecker`, whatever the object's state.
#[must_use]
pub fn at_rest(object: &Value) -> Vec<String> {
    run(AT_REST, object, NEGATIVE)
}

/// The checks of `NewInProgressChecker`, whatever the object's state.
#[must_use]
pub fn in_progress(object: &Value) -> Vec<String> {
    run(IN_PROGRESS, object, NEGATIVE)
}

/// As [`at_rest`], for a controller with other negative conditions.
#[must_use]
pub fn at_rest_with(object: &Value, negative: &[&str]) -> Vec<String> {
    run(AT_REST, object, negative)
}

fn run(checks: &[(&str, Check)], object: &Value, negative: &[&str]) -> Vec<String> {
    let view = View::of(object);
    checks.iter().filter_map(|(id, check)| check(&view, negative).map(|found| format!("{id}: {found}"))).collect()
}

/// Flux's `IsReady`: True, and not stalled or reconciling; with both of them at
/// once it counts neither.
fn is_ready(view: &View) -> bool {
    let is_held_up = view.is("Stalled", "True") != view.is("Reconciling", "True");
    view.is("Ready", "True") && !is_held_up
}

fn complain_about(text: &str, types: &[&str]) -> Option<String> {
    (!types.is_empty()).then(|| format!("{text}: {types:?}"))
}

fn no_true_negative_beside_ready(view: &View, negative: &[&str]) -> Option<String> {
    if !view.is("Ready", "True") {
        return None;
    }
    let bad = view.types(|seen| negative.contains(&seen.type_.as_str()) && seen.status == "True");
    complain_about("negative conditions cannot be True while Ready is True", &bad)
}

fn ready_present(view: &View, _: &[&str]) -> Option<String> {
    view.condition("Ready").is_none().then(|| "Ready must always be present".to_owned())
}

fn reconciling_makes_ready_false(view: &View, _: &[&str]) -> Option<String> {
    let ready = view.condition("Ready")?;
    (view.is("Reconciling", "True") && ready.status != "False")
        .then(|| format!("Ready is {} while Reconciling is True", ready.status))
}

fn stalled_makes_ready_false(view: &View, _: &[&str]) -> Option<String> {
    let ready = view.condition("Ready")?;
    (view.is("Stalled", "True") && ready.status != "False")
        .then(|| format!("Ready is {} while Stalled is True", ready.status))
}

fn reconciling_or_stalled(view: &View, _: &[&str]) -> Option<String> {
    (view.condition("Reconciling").is_some() && view.condition("Stalled").is_some())
        .then(|| "Reconciling and Stalled are both present".to_owned())
}

fn observed_generation_exists(view: &View, _: &[&str]) -> Option<String> {
    let observed = view.observed_generation.unwrap_or(0);
    (observed > view.generation)
        .then(|| format!("observedGeneration {observed} is above generation {}", view.generation))
}

fn not_ready_before_observed(view: &View, _: &[&str]) -> Option<String> {
    let observed = view.observed_generation.unwrap_or(0);
    (observed < view.generation && is_ready(view))
        .then(|| format!("Ready at generation {} with {observed} observed", view.generation))
}

fn not_ready_with_old_conditions(view: &View, _: &[&str]) -> Option<String> {
    if !is_ready(view) {
        return None;
    }
    let old = view.types(|seen| seen.observed_generation < view.generation);
    complain_about("Ready with conditions of an older generation", &old)
}

fn conditions_of_one_generation(view: &View, _: &[&str]) -> Option<String> {
    if !is_ready(view) {
        return None;
    }
    let observed = view.observed_generation.unwrap_or(0);
    let other = view.types(|seen| seen.observed_generation != observed);
    complain_about("Ready with conditions of another generation than observedGeneration", &other)
}

/// An absent Ready counts as Unknown, as in Go.
fn unknown_only_while_reconciling(view: &View, _: &[&str]) -> Option<String> {
    let ready = view.condition("Ready");
    let unknown = ready.is_none_or(|ready| ready.status == "Unknown");
    (unknown && !view.is("Reconciling", "True")).then(|| "Ready is Unknown without Reconciling".to_owned())
}

fn no_negative_beside_ready(view: &View, negative: &[&str]) -> Option<String> {
    if !view.is("Ready", "True") {
        return None;
    }
    let bad = view.types(|seen| negative.contains(&seen.type_.as_str()));
    complain_about("negative conditions are present while Ready is True", &bad)
}

fn ready_repeats_highest_negative(view: &View, negative: &[&str]) -> Option<String> {
    if view.is("Ready", "True") {
        return None;
    }
    let highest = negative.iter().find_map(|type_| view.condition(type_))?;
    if matches!(highest.type_.as_str(), "Reconciling" | "Stalled") {
        return None;
    }
    let repeats =
        view.condition("Ready").is_some_and(|ready| ready.reason == highest.reason && ready.message == highest.message);
    (!repeats).then(|| format!("Ready does not repeat reason and message of {}", highest.type_))
}

fn reconciling_not_kept_when_false(view: &View, _: &[&str]) -> Option<String> {
    view.is("Reconciling", "False").then(|| "Reconciling can be removed when it is False".to_owned())
}

fn stalled_not_kept_when_false(view: &View, _: &[&str]) -> Option<String> {
    view.is("Stalled", "False").then(|| "Stalled can be removed when it is False".to_owned())
}

fn conditions_name_their_generation(view: &View, _: &[&str]) -> Option<String> {
    let without = view.types(|seen| seen.observed_generation < 1);
    complain_about("conditions without observedGeneration", &without)
}
