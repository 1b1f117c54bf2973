//! The tour, one file a step.

pub(crate) mod change;
pub(crate) mod deploy;
pub(crate) mod finish;
pub(crate) mod heal;
pub(crate) mod login;
pub(crate) mod operate;
pub(crate) mod show;
pub(crate) mod start;
