//! A run and its misfortunes, drawn from one number.

use super::simulation::Simulation;
use flint_dram_cache::PolicyKind;
use flint_engine::{Ablation, DraftChoice, Mode, Prefetching, RunOptions};
use flint_flash_io::Faults;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::num::NonZeroU32;
use std::sync::Arc;

/// What is run and what goes wrong.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    /// Which of the models.
    pub(super) model: usize,
    /// Part of the way from the floor to everything in memory.
    pub(super) budget: f64,
    /// All but the budget; the devices are in it.
    pub(super) options: RunOptions,
    pub(super) faults: Faults,
    /// The device in them.
    pub(super) device: Arc<Simulation>,
    /// Whether the device misbehaves while weights are loaded, too.
    pub(super) while_loading: bool,
    /// When the first request is cancelled: after this number of questions to the device.
    pub(super) cancel_after: Option<u64>,
    /// Whether the device is well again for the second request.
    pub(super) healed: bool,
}

impl Schedule {
    /// Equal seeds give equal schedules.
    pub(super) fn of(seed: u64, models: usize) -> Schedule {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut pick = |choices: usize| random.next_u64() as usize % choices;
        let faults = Faults {
            delay_micros: [0, 20, 500][pick(3)],
            short: [0, 20, 300][pick(3)],
            again: [0, 20, 200][pick(3)],
            stall: [0, 0, 20][pick(3)],
            // Of a few hundred reads: none, or a few at most, or a run would hardly ever end well.
            eio: [0, 0, 0, 1, 5][pick(5)],
            corrupt: [0, 0, 0, 1, 5][pick(5)],
            hang: [0, 0, 0, 0, 1, 4][pick(6)],
        };
        let alignment = [512, 4096][pick(2)];
        let mode = [Mode::Sparse, Mode::Sparse, Mode::Exact][pick(3)];
        let policy = match NonZeroU32::new(pick(6) as u32) {
            None => PolicyKind::FREQUENCY,
            tokens => PolicyKind::Window { tokens },
        };
        let one_of_eight = |pick: usize| pick == 0;
        let ablation = Ablation {
            nothing_resident: false,
            no_reuse: one_of_eight(pick(8)),
            no_merging: one_of_eight(pick(8)),
            no_overlap: one_of_eight(pick(8)),
        };
        let device = Arc::new(Simulation::new(faults, alignment, seed));
        let options = RunOptions {
            // One thread, or the order of requests would depend on the machine.
            threads: Some(1),
            mode: Some(mode),
            policy,
            chunk: [1, 3, 64][pick(3)],
            guesses: if pick(4) > 0 { Prefetching::Always } else { Prefetching::Never },
            depth: Some([1, 2, 7, 32][pick(4)]),
            max_gap: Some([0, 5000][pick(2)]),
            ablation,
            devices: device.clone(),
            ..RunOptions::default()
        };
        let budget = [0.0, 0.05, 0.2, 0.5, 0.9][pick(5)];
        let mut schedule = Schedule {
            model: pick(models),
            budget,
            options,
            faults,
            device,
            while_loading: one_of_eight(pick(8)),
            cancel_after: (pick(2) == 0).then(|| 1 + pick(3000) as u64),
            healed: pick(2) == 0,
        };
        // A fixed length: else how long passes take would decide.
        schedule.options.draft_tokens = Some(1 + pick(4));
        if pick(3) > 0 {
            schedule.options.draft = DraftChoice::Auto;
        }
        schedule
    }
}
