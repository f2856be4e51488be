//! Sequences of different lengths, and how a recurrent network goes through them side by side.

/// Sequences of inputs, each with a context. Its buffers are used again: [`Self::clear`], then
/// [`Self::push`].
///
/// ```
/// use hyperq::nn::Sequences;
///
/// let mut sequences = Sequences::new(1, 2);
/// sequences.push(&[0.5], &[0.0, 0.0]);
/// sequences.push(&[0.1], &[0.0, 0.0, 0.3, 0.8]);
/// assert_eq!((sequences.len(), sequences.steps(1)), (2, 2));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Sequences {
    context: usize,
    inputs: usize,
    contexts: Vec<f32>,
    x: Vec<f32>,
    /// The first step of each sequence among all, and behind them the number of all.
    starts: Vec<usize>,
}

impl Sequences {
    /// No sequences of `inputs` numbers a step, each with a context of so many.
    pub fn new(context: usize, inputs: usize) -> Self {
        Self { context, inputs, contexts: Vec::new(), x: Vec::new(), starts: vec![0] }
    }

    /// Forgets all sequences and keeps the buffers.
    pub fn clear(&mut self) {
        self.contexts.clear();
        self.x.clear();
        self.starts.truncate(1);
    }

    /// Adds a sequence of `inputs` (`steps x inputs`).
    ///
    /// # Panics
    ///
    /// Where the context has another length, or the inputs are not at least one whole step.
    pub fn push(&mut self, context: &[f32], inputs: &[f32]) {
        assert_eq!(context.len(), self.context, "a context must have {} numbers", self.context);
        let whole = !inputs.is_empty() && inputs.len().is_multiple_of(self.inputs);
        assert!(whole, "a sequence must have steps of {} numbers", self.inputs);
        self.contexts.extend_from_slice(context);
        self.x.extend_from_slice(inputs);
        self.starts.push(self.x.len() / self.inputs);
    }

    /// How many sequences there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many steps a sequence has.
    ///
    /// # Panics
    ///
    /// Where there is no such sequence.
    pub fn steps(&self, sequence: usize) -> usize {
        self.starts[sequence + 1] - self.starts[sequence]
    }

    /// The numbers of a context and of an input.
    pub(super) fn widths(&self) -> (usize, usize) {
        (self.context, self.inputs)
    }
}

/// Sequences by steps: first the first steps of all, then the second steps of those that have one, and so
/// on, the longest sequence on top. So what goes on to the next step is the upper part of what is there,
/// and no step is computed that does not exist, as masking would.
#[derive(Debug, Clone, Default)]
pub(super) struct Packed {
    order: Vec<usize>,
    active: Vec<usize>,
    contexts: Vec<f32>,
    inputs: Vec<f32>,
    steps: usize,
}

impl Packed {
    pub fn pack(&mut self, sequences: &Sequences) {
        let Sequences { context, inputs, contexts, x, starts } = sequences;
        self.order.clear();
        self.order.extend(0..sequences.len());
        // The sequence itself decides between equals, so that the order is one.
        self.order.sort_unstable_by_key(|&row| (std::cmp::Reverse(sequences.steps(row)), row));
        self.contexts.clear();
        for &row in &self.order {
            self.contexts.extend_from_slice(&contexts[row * context..][..*context]);
        }
        self.active.clear();
        self.inputs.clear();
        let longest = self.order.first().map_or(0, |&row| sequences.steps(row));
        let mut active = self.order.len();
        for step in 0..longest {
            while sequences.steps(self.order[active - 1]) <= step {
                active -= 1;
            }
            for &row in &self.order[..active] {
                self.inputs.extend_from_slice(&x[(starts[row] + step) * inputs..][..*inputs]);
            }
            self.active.push(active);
        }
        self.steps = x.len() / inputs;
    }

    /// The sequences from the longest to the shortest.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// How many sequences have each step.
    pub fn active(&self) -> &[usize] {
        &self.active
    }

    /// The contexts in [`Self::order`].
    pub fn contexts(&self) -> &[f32] {
        &self.contexts
    }

    /// The inputs of all steps.
    pub fn inputs(&self) -> &[f32] {
        &self.inputs
    }

    /// How many sequences there are.
    pub fn rows(&self) -> usize {
        self.order.len()
    }

    /// How many steps they have together.
    pub fn steps(&self) -> usize {
        self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_packed_with_the_longest_on_top() {
        let mut sequences = Sequences::new(1, 1);
        sequences.push(&[0.5], &[1.0]);
        sequences.push(&[0.6], &[2.0, 3.0, 4.0]);
        sequences.push(&[0.7], &[5.0, 6.0]);
        sequences.push(&[0.8], &[7.0, 8.0, 9.0]);
        let mut packed = Packed::default();
        packed.pack(&sequences);
        assert_eq!(packed.order(), [1, 3, 2, 0]);
        assert_eq!(packed.active(), [4, 3, 2]);
        assert_eq!(packed.contexts(), [0.6, 0.8, 0.7, 0.5]);
        assert_eq!(packed.inputs(), [2.0, 7.0, 5.0, 1.0, 3.0, 8.0, 6.0, 4.0, 9.0]);
        assert_eq!((packed.rows(), packed.steps()), (4, 9));
        sequences.clear();
        packed.pack(&sequences);
        assert_eq!((packed.rows(), packed.steps(), packed.active().len()), (0, 0, 0));
    }
}
