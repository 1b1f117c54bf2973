//! What the operator is proven to do, one file per story.

pub mod planner;
pub mod planner_properties;
pub mod planner_stories;
