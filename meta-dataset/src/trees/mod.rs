//! Learners made of decision trees.
