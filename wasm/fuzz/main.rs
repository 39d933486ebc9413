//! Fuzzes the datapath: whole worlds of sockets, tunnels, sessions, devices and switches, and whatever can happen to them.
//!
//!     deno task wasm:fuzz                 a fixed number of episodes, the same ones each time
//!     deno task wasm:fuzz --seconds 600   others, for so long
//!     deno task wasm:fuzz --seed 17       episode 17 alone
//!
//! An episode is one world and some dozens of steps, all drawn from one seed. After each step the books must balance:
//! what came in was forwarded, punted, queued, or counted once under a reason; every message is one that the kernel takes.

mod datagrams;
mod ppp;
mod random;
mod world;

#[path = "../tests/kernel/mod.rs"]
mod kernel;

use std::panic::catch_unwind;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use world::World;

const EPISODES: u64 = 3000;
const STEPS: u64 = 60;

fn main() {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| usage());
    let started = Instant::now();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => (0..EPISODES).for_each(episode),
        ["--seed", seed] => episode(number(seed)),
        ["--seconds", seconds] => {
            let until = Duration::from_secs(number(seconds));
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
            (now..).take_while(|_| started.elapsed() < until).for_each(episode);
        }
        _ => usage(),
    }
    println!("no fault found in {:.0} s", started.elapsed().as_secs_f64());
}

fn episode(seed: u64) {
    let run = || {
        let mut world = World::new(seed);
        (0..STEPS).for_each(|_| world.step());
        world.finish();
    };
    if catch_unwind(run).is_err() {
        eprintln!("a fault, again with: deno task wasm:fuzz --seed {seed}");
        std::process::exit(1);
    }
}

fn usage() -> ! {
    eprintln!("usage: deno task wasm:fuzz [--seed N | --seconds N]");
    std::process::exit(2);
}
