//! Judges of a status: ports of the checks that others make.
