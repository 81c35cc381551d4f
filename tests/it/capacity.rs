//! The arithmetic of docs/capacity.md, which `cargo bench --bench capacity` prints: against published values, and its
//! simulation against Erlang's formula.

#[path = "../../benches/capacity/erlang.rs"]
mod erlang;
#[path = "../../benches/capacity/random.rs"]
mod random;
#[path = "../../benches/capacity/simulation.rs"]
mod simulation;

use erlang::Erlang;
use random::Random;
use simulation::{Arrival, day, serve};

fn within(value: f64, expected: f64, tolerance: f64) {
    assert!((value - expected).abs() <= tolerance, "{value} is not {expected} ± {tolerance}");
}

#[test]
fn erlangs_formula_gives_its_exact_and_its_published_values() {
    // The first three are fractions: 1/3, 4/9, 128/231. The others are of a printed table of Erlang C, to its two digits
    // (Table C of a book on planning TETRA networks: <https://www.scribd.com/document/831962299/TABLE-C>).
    let values = [
        (2, 1.0, 1.0 / 3.0, 1e-12),
        (3, 2.0, 4.0 / 9.0, 1e-12),
        (5, 4.0, 128.0 / 231.0, 1e-12),
        (8, 3.87, 0.05, 5e-4),
        (10, 4.08, 0.01, 5e-4),
    ];
    for (servers, load, waits, tolerance) in values {
        within(Erlang::new(servers, load, 1.0).unwrap().waits(), waits, tolerance);
    }
}

#[test]
fn erlangs_formula_of_one_server_is_that_of_a_single_line() {
    // M/M/1: busy a half of the time, the mean wait is busy / (1 - busy) times the service.
    let line = Erlang::new(1, 0.05, 10.0).unwrap();
    within(line.waits(), 0.5, 1e-12);
    within(line.mean_wait_secs(), 10.0, 1e-9);
    within(line.wait_secs(0.5), 0.0, 1e-9);
}

#[test]
fn more_than_is_served_has_no_steady_state() {
    assert!(Erlang::new(100, 100.0, 1.0).is_none());
    assert!(Erlang::new(100, 99.9, 1.0).is_some());
}

#[test]
fn random_numbers_are_splitmix64s() {
    // As Rosetta Code lists them for this seed.
    let mut random = Random::seeded(1_234_567);
    let first = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
    assert_eq!([(); 3].map(|()| random.next()), first);
}

#[test]
fn lengths_have_the_mean_and_the_spread_they_are_drawn_with() {
    let mut random = Random::seeded(7);
    let lengths: Vec<f64> = (0..200_000).map(|_| random.log_normal(180.0, 1.0)).collect();
    let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
    let variance = lengths.iter().map(|length| (length - mean).powi(2)).sum::<f64>() / lengths.len() as f64;
    within(mean, 180.0, 2.0);
    within(variance.sqrt() / mean, 1.0, 0.05);
}

#[test]
fn simulated_queue_waits_as_erlang_says() {
    // Twenty servers nine tenths busy for a day of 86,400 mean service times.
    let (servers, rate, mut random) = (20, 18.0, Random::seeded(3));
    let arrivals = day(&mut random, rate * 86_400.0, &[100.0 / 24.0; 24], |random| random.exponential(1.0));
    let served = serve(&arrivals, servers, |arrival| arrival.length);
    let erlang = Erlang::new(20, rate, 1.0).unwrap();
    within(served.waited(1.0..24.0), erlang.waits(), 0.02);
    within(served.mean_wait_secs(1.0..24.0), erlang.mean_wait_secs(), 0.02);
    within(served.wait_secs(1.0..24.0, 0.99), erlang.wait_secs(0.99), 0.1);
}

#[test]
fn arrivals_follow_the_hours_of_the_day() {
    let mut random = Random::seeded(5);
    let arrivals = day(&mut random, 100_000.0, &[10.0, 0.0, 90.0], |_| 1.0);
    let of_hour = |hour: usize| arrivals.iter().filter(|arrival| (arrival.at / 3600.0) as usize == hour).count() as f64;
    within(of_hour(0), 10_000.0, 400.0);
    within(of_hour(1), 0.0, 0.0);
    within(of_hour(2), 90_000.0, 1_200.0);
}

#[test]
fn backlog_grows_while_more_comes_and_is_worked_off_after() {
    // One a second for ten seconds, each takes two: the fifth waits four seconds, and all are done at 20. When the sixth
    // begins, at ten, it and four others have waited.
    let arrivals: Vec<Arrival> = (0..10).map(|at| Arrival { at: f64::from(at), length: 2.0 }).collect();
    let served = serve(&arrivals, 1, |arrival| arrival.length);
    within(served.waits[4].1, 4.0, 1e-9);
    within(served.done[9].at, 20.0, 1e-9);
    assert_eq!(served.longest_backlog, 5);
    assert_eq!(served.waited_longer(3.5), Some((4.0, 18.0)));
}
