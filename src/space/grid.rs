//! Finite sets of configurations and the moves between them.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::{Configuration, SearchSpace, Value};
use crate::error::{Error, Result};
use crate::streams::Streams;

/// How fine a grid is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GridSize {
    /// This many levels for each parameter that has more values.
    Resolution(usize),
    /// The finest grid of at most this many configurations. A space whose coarsest grid (two
    /// levels) is larger is represented by this many of its Sobol points.
    AtMost(usize),
}

/// More configurations than this are refused: a table of values over them would not fit.
const LARGEST: usize = 1 << 20;
/// The finest resolution that [`GridSize::AtMost`] considers.
const FINEST: usize = 256;

/// A finite set of distinct configurations, numbered.
#[derive(Debug)]
pub struct Grid {
    space: SearchSpace,
    configurations: Vec<Configuration>,
    index: HashMap<Configuration, u32>,
    encoding: Vec<f32>,
    /// `rows x 2 parameters`, made when first asked for; `NO_MOVE` where there is none.
    moves: OnceLock<Vec<u32>>,
    /// Every configuration's point of the unit cube, row by row, made when first asked for.
    units: OnceLock<Vec<f64>>,
}

const NO_MOVE: u32 = u32::MAX;

impl Grid {
    /// The full factorial grid of a space, with conditional parameters enumerated only where they are
    /// active, so that no configuration occurs twice.
    ///
    /// ```
    /// use hyperq::space::{Grid, GridSize, Parameter, SearchSpace};
    /// let space = SearchSpace::new([
    ///     Parameter::categorical("kernel", ["rbf", "linear"]),
    ///     Parameter::float("gamma", 1e-3, 1e3).log().when("kernel", ["rbf"]),
    /// ])?;
    /// let grid = Grid::new(&space, GridSize::Resolution(7))?;
    /// assert_eq!(grid.len(), 7 + 1);
    /// # Ok::<(), hyperq::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a size of 0 or a grid of more than 2^20 configurations.
    pub fn new(space: &SearchSpace, size: GridSize) -> Result<Self> {
        match size {
            GridSize::Resolution(0) | GridSize::AtMost(0) => {
                Err(Error::setting("grid", "size", "at least 1", 0))
            }
            GridSize::Resolution(resolution) => {
                let rows = enumerate(space, resolution, LARGEST).ok_or_else(|| {
                    Error::setting(
                        "grid",
                        "resolution",
                        format!("so small that the grid has at most {LARGEST} configurations"),
                        resolution,
                    )
                })?;
                Ok(Self::from_distinct(space, rows))
            }
            GridSize::AtMost(limit) if limit > LARGEST => {
                Err(Error::setting("grid", "at-most", format!("at most {LARGEST}"), limit))
            }
            GridSize::AtMost(limit) => {
                // Larger resolutions never give fewer rows, so a bisection finds the finest that fits.
                let Some(mut best) = enumerate(space, 2, limit) else {
                    return Ok(Self::from_distinct(space, scattered(space, limit)));
                };
                let (mut fits, mut too_fine) = (2, FINEST + 1);
                while too_fine - fits > 1 {
                    let middle = fits.midpoint(too_fine);
                    match enumerate(space, middle, limit) {
                        Some(rows) => (fits, best) = (middle, rows),
                        None => too_fine = middle,
                    }
                }
                Ok(Self::from_distinct(space, best))
            }
        }
    }

    /// A grid of given configurations, such as the rows of a table.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where there are none or more than 2^20; [`Error::Configuration`] where one
    /// occurs twice.
    pub fn from_configurations(space: &SearchSpace, rows: Vec<Configuration>) -> Result<Self> {
        if rows.is_empty() || rows.len() > LARGEST {
            return Err(Error::setting(
                "grid",
                "configurations",
                format!("1 to {LARGEST} in number"),
                rows.len(),
            ));
        }
        let grid = Self::from_distinct(space, rows);
        if grid.index.len() < grid.len() {
            let twice = grid
                .configurations
                .iter()
                .enumerate()
                .find(|(i, configuration)| grid.index[*configuration] as usize != *i)
                .map(|(_, configuration)| configuration.to_string());
            return Err(Error::configuration(
                "",
                "configurations of a grid must be distinct",
                twice.unwrap_or_default(),
            ));
        }
        Ok(grid)
    }

    fn from_distinct(space: &SearchSpace, configurations: Vec<Configuration>) -> Self {
        let width = space.features();
        let mut encoding = vec![0.0; configurations.len() * width];
        for (configuration, row) in configurations.iter().zip(encoding.chunks_exact_mut(width)) {
            space.encode(configuration, row);
        }
        let index = configurations
            .iter()
            .enumerate()
            .map(|(i, configuration)| (configuration.clone(), i as u32))
            .collect();
        Self {
            space: space.clone(),
            configurations,
            index,
            encoding,
            moves: OnceLock::new(),
            units: OnceLock::new(),
        }
    }

    /// The space.
    pub fn space(&self) -> &SearchSpace {
        &self.space
    }

    /// The number of configurations, at least 1.
    #[allow(clippy::len_without_is_empty)] // A grid is never empty.
    pub fn len(&self) -> usize {
        self.configurations.len()
    }

    /// The configurations in their order.
    pub fn configurations(&self) -> &[Configuration] {
        &self.configurations
    }

    /// The configuration of a number below [`Grid::len`].
    pub fn get(&self, index: usize) -> &Configuration {
        &self.configurations[index]
    }

    /// The number of a configuration, `None` where the grid lacks it.
    pub fn position(&self, configuration: &Configuration) -> Option<usize> {
        self.index.get(configuration).map(|&index| index as usize)
    }

    /// The features of every configuration ([`SearchSpace::encode`]), row by row.
    pub fn encoding(&self) -> &[f32] {
        &self.encoding
    }

    /// The number of the nearest configuration with the same active parameters, `None` where there is
    /// none. The distance is Euclidean in the unit cube; a differing category counts more than all
    /// numbers together; of equally near ones the first is taken.
    pub fn nearest(&self, configuration: &Configuration) -> Option<usize> {
        if let Some(index) = self.position(configuration) {
            return Some(index);
        }
        let values = configuration.values();
        self.nearest_of(values, |row| {
            values.iter().zip(row).all(|(value, other)| value.is_some() == other.is_some())
        })
    }

    /// The number of the configuration nearest to `values` among those that are `kept`, the first of
    /// equally near ones. The distance is that of [`Grid::nearest`], with parameters that are not
    /// active in the middle of their scales.
    fn nearest_of(
        &self,
        values: &[Option<Value>],
        kept: impl Fn(&[Option<Value>]) -> bool,
    ) -> Option<usize> {
        let unit: Vec<f64> = values
            .iter()
            .zip(self.space.parameters())
            .map(|(value, parameter)| value.map_or(0.5, |value| parameter.domain.to_unit(value)))
            .collect();
        let category = self.space.len() as f64 + 1.0;
        let distance = |row: &[Option<Value>], row_unit: &[f64]| -> f64 {
            (0..values.len())
                .map(|i| match (values[i], row[i]) {
                    (None, None) => 0.0,
                    (Some(a), Some(b)) if a == b => 0.0,
                    (Some(Value::Category(_)), Some(Value::Category(_))) => category,
                    (_, Some(_)) => (unit[i] - row_unit[i]).powi(2),
                    (Some(_), None) => 0.25,
                })
                .sum()
        };
        (0..self.len())
            .filter(|&index| kept(self.get(index).values()))
            .map(|index| (distance(self.get(index).values(), self.unit(index)), index))
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, index)| index)
    }

    /// The point of the unit cube of a configuration of the grid.
    fn unit(&self, index: usize) -> &[f64] {
        let units = self.units.get_or_init(|| {
            self.configurations.iter().flat_map(|row| self.space.to_unit(row)).collect()
        });
        &units[index * self.space.len()..][..self.space.len()]
    }

    /// The number of moves from a configuration: down and up for each parameter.
    pub fn moves(&self) -> usize {
        2 * self.space.len()
    }

    /// Where one move leads: move `2 p` takes parameter `p` to its next lower level in the grid,
    /// `2 p + 1` to its next higher one. Three or more choices of a categorical lie on a circle, so that
    /// both moves exist from each; two choices lie on a line, where the circle's two moves would lead
    /// to the same place.
    ///
    /// Other parameters keep their values. Where the grid lacks that configuration (a choice that
    /// activates other parameters, a row that is missing), the move leads to the nearest one that has
    /// the new value. `None` at the end of a domain and for an inactive parameter.
    pub fn step(&self, from: usize, action: usize) -> Option<usize> {
        let moves = self.moves.get_or_init(|| self.all_moves());
        Some(moves[from * self.moves() + action]).filter(|&to| to != NO_MOVE).map(|to| to as usize)
    }

    fn all_moves(&self) -> Vec<u32> {
        let parameters = self.space.len();
        // The levels that each parameter takes in this grid, in order.
        let levels: Vec<Vec<Value>> = (0..parameters)
            .map(|p| {
                let domain = &self.space.parameters()[p].domain;
                let mut values: Vec<Value> =
                    self.configurations.iter().filter_map(|row| row.values()[p]).collect();
                values.sort_by(|a, b| {
                    domain.to_unit(*a).total_cmp(&domain.to_unit(*b)).then(a.key().cmp(&b.key()))
                });
                values.dedup();
                values
            })
            .collect();
        let mut moves = Vec::with_capacity(self.len() * self.moves());
        for row in &self.configurations {
            for (p, levels) in levels.iter().enumerate() {
                for up in [false, true] {
                    let to = row.values()[p]
                        .and_then(|value| neighbour(levels, value, up))
                        .and_then(|value| self.with_value(row, p, value));
                    moves.push(to.map_or(NO_MOVE, |to| to as u32));
                }
            }
        }
        moves
    }

    /// The configuration nearest to `row` among those whose parameter `p` has `value`.
    fn with_value(&self, row: &Configuration, p: usize, value: Value) -> Option<usize> {
        let mut values = row.values().to_vec();
        values[p] = Some(value);
        if let Some(exact) =
            self.position(&Configuration::from_parts(self.space.clone(), values.clone()))
        {
            return Some(exact);
        }
        self.nearest_of(&values, |row| row[p] == Some(value))
    }
}

fn neighbour(levels: &[Value], value: Value, up: bool) -> Option<Value> {
    let at = levels.iter().position(|level| *level == value)?;
    let last = levels.len() - 1;
    let to = match (value, up) {
        (_, true) if at < last => at + 1,
        (_, false) if at > 0 => at - 1,
        (Value::Category(_), true) if last > 1 => 0,
        (Value::Category(_), false) if last > 1 => last,
        _ => return None,
    };
    Some(levels[to])
}

/// All configurations at a resolution in lexicographic order, the first parameter slowest; `None`
/// where there are more than `limit`.
pub(super) fn enumerate(
    space: &SearchSpace,
    resolution: usize,
    limit: usize,
) -> Option<Vec<Configuration>> {
    // A resolution of `usize::MAX` means every value; bounded because the domains are checked finite.
    // Up to the finest that `AtMost` considers, levels are counted after those that coincide are left out.
    let mut partial: Vec<Vec<Option<Value>>> = vec![vec![None; space.len()]];
    for &index in space.order() {
        let domain = &space.parameters()[index].domain;
        if domain.cardinality().is_none_or(|count| count > limit as u64)
            && resolution > limit.max(FINEST)
        {
            return None;
        }
        let levels = domain.levels(resolution);
        let mut next = Vec::new();
        for values in partial {
            if space.is_active(index, &values) {
                for level in &levels {
                    let mut values = values.clone();
                    values[index] = Some(*level);
                    next.push(values);
                }
            } else {
                next.push(values);
            }
            if next.len() > limit {
                return None;
            }
        }
        partial = next;
    }
    Some(
        partial
            .into_iter()
            .map(|values| Configuration::from_parts(space.clone(), values))
            .collect(),
    )
}

/// Distinct configurations at scrambled Sobol points, at most `limit`.
fn scattered(space: &SearchSpace, limit: usize) -> Vec<Configuration> {
    let mut seen = std::collections::HashSet::new();
    let mut rows = Vec::new();
    // Collisions are rare in a space that is too large to enumerate; the bound keeps this finite.
    for trial in 0..4 * limit as u64 {
        let configuration =
            space.from_unit(&crate::optimizer::sobol_point(Streams::new(0), trial, space.len()));
        if seen.insert(configuration.clone()) {
            rows.push(configuration);
        }
        if rows.len() == limit {
            break;
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::Parameter;
    use super::*;

    fn circle(choices: i64) -> Grid {
        let space = SearchSpace::new([Parameter::categorical("c", 0..choices)]).unwrap();
        Grid::new(&space, GridSize::Resolution(2)).unwrap()
    }

    #[test]
    fn choices_lie_on_a_circle_without_two_moves_to_the_same_place() {
        let moves = |grid: &Grid| -> Vec<[Option<usize>; 2]> {
            (0..grid.len()).map(|row| [grid.step(row, 0), grid.step(row, 1)]).collect()
        };
        assert_eq!(moves(&circle(1)), [[None, None]]);
        assert_eq!(moves(&circle(2)), [[None, Some(1)], [Some(0), None]]);
        assert_eq!(moves(&circle(3)), [[Some(2), Some(1)], [Some(0), Some(2)], [Some(1), Some(0)]]);
    }

    #[test]
    fn the_nearest_configuration_is_that_of_a_direct_search() {
        let space = SearchSpace::new([
            Parameter::categorical("kernel", ["rbf", "poly", "linear"]),
            Parameter::float("C", 0.01, 100.0).log(),
            Parameter::float("gamma", 0.001, 10.0).log().when("kernel", ["rbf"]),
        ])
        .unwrap();
        let grid = Grid::new(&space, GridSize::Resolution(4)).unwrap();
        for trial in 0..200 {
            let point = space.sample(&mut Streams::new(1).at("point", trial));
            let unit = space.to_unit(&point);
            // Every kernel has rows with its parameters, so the nearest row has the same kernel.
            let expected = (0..grid.len())
                .filter(|&row| grid.get(row).values()[0] == point.values()[0])
                .map(|row| {
                    let place = space.to_unit(grid.get(row));
                    (unit.iter().zip(place).map(|(a, b)| (a - b).powi(2)).sum::<f64>(), row)
                })
                .min_by(|a, b| a.0.total_cmp(&b.0))
                .unwrap()
                .1;
            assert_eq!(grid.nearest(&point), Some(expected), "{point}");
        }
        let own: Vec<_> = grid.configurations().iter().map(|row| grid.nearest(row)).collect();
        assert_eq!(own, (0..grid.len()).map(Some).collect::<Vec<_>>());
    }

    #[test]
    fn a_move_that_activates_other_parameters_leads_to_the_nearest_row_with_the_new_value() {
        let space = SearchSpace::new([
            Parameter::categorical("kernel", ["linear", "rbf", "poly"]),
            Parameter::int("C", 0, 2),
            Parameter::int("gamma", 0, 1).when("kernel", ["rbf"]),
        ])
        .unwrap();
        let grid = Grid::new(&space, GridSize::Resolution(3)).unwrap();
        assert_eq!(grid.len(), 3 + 3 * 2 + 3);
        for row in 0..3 {
            let to = grid.get(grid.step(row, 1).unwrap());
            assert_eq!(to.text("kernel").unwrap(), "rbf");
            assert_eq!(to.int("C").unwrap(), grid.get(row).int("C").unwrap());
            assert_eq!((grid.step(row, 4), grid.step(row, 5)), (None, None), "gamma is inactive");
        }
    }
}
