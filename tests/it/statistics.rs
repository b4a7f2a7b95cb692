//! The mathematics of the reports: against published figures, by its properties, and by simulation.

mod properties;
mod reference;
mod simulation;
mod verdicts;
