//! Several objectives: the first two against each other, and the hypervolume over trials.

use std::cmp::Ordering;
use std::fmt::Write;

use crate::error::Result;
use crate::objectives::{front, hypervolume};
use crate::trial::Direction;

use super::axis::Axis;
use super::digest::{Digest, thinned};
use super::history::beyond_note;
use super::picture::Picture;
use super::text::{name, number};

/// The hypervolume is computed after so many trials at most and, if it takes long, at least.
const MOMENTS: (usize, usize) = (100, 20);
/// For more than two objectives its time grows with a power of the front's size: `f^(m - 1)` for `f` points
/// of `m` objectives, which the number of moments is chosen by.
const EFFORT: f64 = 2e7;

/// The section; empty for a single objective.
pub(super) fn section(digest: &Digest<'_>) -> Result<String> {
    if digest.report.objectives.len() < 2 || digest.complete.is_empty() {
        return Ok(String::new());
    }
    let mut html = "<h2>Compromises</h2>\n<div class=\"grid pair\">\n".to_owned();
    html.push_str(&scatter(digest));
    html.push_str(&volumes(digest)?);
    html.push_str("</div>\n");
    Ok(html)
}

/// The first two objectives against each other.
fn scatter(digest: &Digest<'_>) -> String {
    let [(x_name, x_direction), (y_name, y_direction), rest @ ..] = digest.report.objectives else {
        return String::new();
    };
    let point = |position: &usize| {
        let values = digest.values(*position);
        (values[0], values[1])
    };
    let (x, x_beyond) = Axis::of_values(digest.complete.iter().map(|p| point(p).0), *x_direction);
    let (y, y_beyond) = Axis::of_values(digest.complete.iter().map(|p| point(p).1), *y_direction);
    let label = |axis: &Axis, name: &str| match axis.is_log() {
        true => format!("{name}, log scale"),
        false => name.to_owned(),
    };
    let (x_label, y_label) = (label(&x, x_name), label(&y, y_name));
    let mut picture = Picture::new((540, 400), (x, &x_label), (y, &y_label));
    let dots = |positions: &[usize]| -> Vec<(f64, f64, u64)> {
        positions.iter().map(point).map(|(x, y)| (x, y, 0)).collect()
    };
    picture.dots("dot faint", dots(&digest.complete));
    if rest.is_empty() {
        picture.line("front", staircase(digest.best.iter().map(point).collect(), *x_direction));
    }
    picture.dots("dot chosen", dots(&digest.best));
    let svg = picture.svg(&format!("{y_name} over {x_name} of every complete trial"));
    let mut caption = "The Pareto front is orange".to_owned();
    if !rest.is_empty() {
        let _ = write!(caption, "; it takes all {} objectives into account", rest.len() + 2);
    }
    format!(
        "<figure class=\"card chart plot\"><h3>{} and {}</h3>\
         <figcaption>{caption}.</figcaption>{svg}{}\
         </figure>\n",
        name(x_name, 40),
        name(y_name, 40),
        beyond_note(x_beyond + y_beyond)
    )
}

/// The border of what two objectives' front dominates.
fn staircase(mut front: Vec<(f64, f64)>, x_direction: Direction) -> Vec<(f64, f64)> {
    front.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut corners = Vec::new();
    for pair in front.windows(2) {
        corners.push(pair[0]);
        // What is worse in both.
        corners.push(match x_direction {
            Direction::Minimize => (pair[1].0, pair[0].1),
            Direction::Maximize => (pair[0].0, pair[1].1),
        });
    }
    corners.extend(front.last());
    corners
}

fn volumes(digest: &Digest<'_>) -> Result<String> {
    let title = "<figure class=\"card chart plot\"><h3>Hypervolume</h3>";
    let objectives = digest.report.objectives.len();
    let front = distinct(digest.best.iter().map(|at| digest.values(*at).to_vec()).collect()).len();
    let affordable = match objectives {
        2 => MOMENTS.0,
        _ => (EFFORT / (front as f64).powi(objectives as i32 - 1)).min(MOMENTS.0 as f64) as usize,
    };
    if affordable < MOMENTS.1 {
        return Ok(format!(
            "{title}<figcaption>Not computed: with {front} points on the front of {objectives} \
             objectives it would take too long.</figcaption></figure>\n"
        ));
    }
    let reference = worst(digest);
    let moments = moments(digest, affordable)?;
    let mut steps = Vec::new();
    for (at, front) in &moments {
        let volume = hypervolume(front, &reference, &digest.directions())?;
        if volume.is_finite() {
            steps.push((*at as f64, volume));
        }
    }
    let last = digest.report.trials.iter().map(|trial| trial.number as f64).fold(1.0, f64::max);
    let values = steps.iter().map(|(_, volume)| *volume);
    let high = values.fold(0.0, f64::max);
    let mut picture = Picture::new(
        (540, 400),
        (Axis::range(0.0, last, false), "trial"),
        (Axis::range(0.0, if high > 0.0 { high } else { 1.0 }, false), "hypervolume"),
    );
    picture.steps("incumbent", &steps, last);
    let point: Vec<String> = reference.iter().map(|value| number(*value)).collect();
    Ok(format!(
        "{title}<figcaption>What the trials so far dominate, as far as the worst values of any \
         complete trial: ({}).</figcaption>{}</figure>\n",
        point.join(", "),
        picture.svg("hypervolume over trials")
    ))
}

/// The worst value of each objective.
fn worst(digest: &Digest<'_>) -> Vec<f64> {
    let objectives = digest.report.objectives.iter().enumerate();
    objectives
        .map(|(index, (_, direction))| {
            let values = digest.complete.iter().map(|position| digest.values(*position)[index]);
            match direction {
                Direction::Minimize => values.fold(f64::NEG_INFINITY, f64::max),
                Direction::Maximize => values.fold(f64::INFINITY, f64::min),
            }
        })
        .collect()
}

/// The front after some of the complete trials, evenly chosen, with their numbers.
fn moments(digest: &Digest<'_>, count: usize) -> Result<Vec<(u64, Vec<Vec<f64>>)>> {
    let places: Vec<usize> = (0..digest.complete.len()).collect();
    let (mut next, mut points) = (0, Vec::new());
    let mut moments = Vec::new();
    for place in thinned(&places, count) {
        let new = &digest.complete[next..=place];
        points.extend(new.iter().map(|position| digest.values(*position).to_vec()));
        next = place + 1;
        let kept = front(&points, &digest.directions())?;
        points =
            distinct(kept.into_iter().map(|index| std::mem::take(&mut points[index])).collect());
        moments.push((digest.trial(digest.complete[place]).number, points.clone()));
    }
    Ok(moments)
}

fn distinct(mut points: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    points.sort_by(|a, b| {
        let orders = a.iter().zip(b).map(|(a, b)| a.total_cmp(b));
        orders.fold(Ordering::Equal, Ordering::then)
    });
    points.dedup();
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::StudyReport;
    use crate::report::tests::trial;

    #[test]
    fn the_front_is_bordered_by_what_it_dominates() {
        let front = vec![(2.0, 1.0), (1.0, 3.0)];
        let low = staircase(front, Direction::Minimize);
        assert_eq!(low, [(1.0, 3.0), (2.0, 3.0), (2.0, 1.0)]);
        let high = staircase(vec![(1.0, 3.0), (2.0, 1.0)], Direction::Maximize);
        assert_eq!(high, [(1.0, 3.0), (1.0, 1.0), (2.0, 1.0)]);
        assert!(staircase(Vec::new(), Direction::Maximize).is_empty());
    }

    #[test]
    fn fronts_are_those_of_the_trials_so_far() {
        let points = [[2.0, 2.0], [3.0, 3.0], [2.0, 2.0], [1.0, 2.5], [0.5, 0.5]];
        let trials: Vec<_> =
            (0..).zip(points).map(|(number, point)| trial(number, &point)).collect();
        let objectives = ["a", "b"].map(|name| (name.to_owned(), Direction::Minimize));
        let report =
            StudyReport { name: "", location: "", objectives: &objectives, trials: &trials };
        let digest = Digest::of(&report).unwrap();
        assert_eq!(worst(&digest), [3.0, 3.0]);
        let moments = moments(&digest, 100).unwrap();
        let numbers: Vec<u64> = moments.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        assert_eq!((&moments[1].1, &moments[2].1), (&moments[0].1, &moments[0].1));
        assert_eq!(moments[3].1, [[1.0, 2.5], [2.0, 2.0]]);
        assert_eq!(moments[4].1, [[0.5, 0.5]]);
        let thin = super::moments(&digest, 2).unwrap();
        assert_eq!(thin, [moments[0].clone(), moments[4].clone()]);
    }
}
