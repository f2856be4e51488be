//! The same updates in candle's own layers, autograd and AdamW.
//!
//! Noise is drawn once and used again, since candle's generator on the CPU cannot be seeded.

use std::hint::black_box;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::rnn::{LSTM, LSTMConfig, LSTMState, RNN};
use candle_nn::{AdamW, Linear, Module, Optimizer, ParamsAdamW, VarBuilder};

use super::{
    ACTIONS, BEHIND, CLIP, CONFIGURATIONS, DISCOUNT, FEATURES, LEARNING_RATE, MEMBERS, META,
    STATES, STEP_INPUTS, STEPS, Size, TAU, Update, numbers,
};

/// A network in plain candle. Its variables are listed layer by layer, weight before bias.
struct Plain {
    vars: Vec<Var>,
    tanh: bool,
}

impl Plain {
    fn new(purpose: &str, inputs: usize, hidden: usize, outputs: usize) -> Result<Self> {
        let mut vars = Vec::new();
        for (layer, pair) in [inputs, hidden, hidden, outputs].windows(2).enumerate() {
            let &[inputs, outputs] = pair else { unreachable!("windows of two") };
            let scale = 1.0 / (inputs as f32).sqrt();
            let draw = |what: &str, len: usize| -> Vec<f32> {
                let purpose = format!("{purpose}/{layer}/{what}");
                numbers(&purpose, len).iter().map(|x| x * scale).collect()
            };
            let weight = draw("weight", inputs * outputs);
            vars.push(Var::from_vec(weight, (outputs, inputs), &Device::Cpu)?);
            vars.push(Var::from_vec(draw("bias", outputs), outputs, &Device::Cpu)?);
        }
        Ok(Self { vars, tanh: false })
    }

    /// The same weights in variables of its own.
    fn copy(&self) -> Result<Self> {
        let vars = self.vars.iter().map(|var| Var::from_tensor(&var.copy()?));
        Ok(Self { vars: vars.collect::<Result<_>>()?, tanh: self.tanh })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut h = x.clone();
        for (layer, pair) in self.vars.chunks_exact(2).enumerate() {
            let bias = Some(pair[1].as_tensor().clone());
            h = Linear::new(pair[0].as_tensor().clone(), bias).forward(&h)?;
            if 2 * (layer + 1) < self.vars.len() {
                h = if self.tanh { h.tanh()? } else { h.relu()? };
            }
        }
        Ok(h)
    }

    /// Moves towards another network.
    fn follow(&self, online: &Self) -> Result<()> {
        for (slow, fast) in self.vars.iter().zip(&online.vars) {
            let (kept, taken) =
                (slow.affine(1.0 - f64::from(TAU), 0.0)?, fast.affine(f64::from(TAU), 0.0)?);
            slow.set(&(kept + taken)?.detach())?;
        }
        Ok(())
    }
}

/// One optimizer for the variables of several networks.
fn adam<'a>(networks: impl IntoIterator<Item = &'a Plain>) -> Result<AdamW> {
    let vars = networks.into_iter().flat_map(|network| network.vars.clone()).collect();
    let lr = f64::from(LEARNING_RATE);
    AdamW::new(vars, ParamsAdamW { lr, weight_decay: 0.0, ..ParamsAdamW::default() })
}

fn tensor(purpose: &str, rows: usize, columns: usize) -> Result<Tensor> {
    Tensor::from_vec(numbers(purpose, rows * columns), (rows, columns), &Device::Cpu)
}

/// A batch as candle's tensors.
struct Batch {
    states: Tensor,
    next_states: Tensor,
    actions: Tensor,
    rewards: Tensor,
}

impl Batch {
    fn new(rows: usize) -> Result<Self> {
        Ok(Self {
            states: tensor("states", rows, STATES)?,
            next_states: tensor("next states", rows, STATES)?,
            actions: tensor("actions", rows, ACTIONS)?,
            rewards: tensor("rewards", rows, 1)?,
        })
    }

    fn goal(&self, next: &Tensor) -> Result<Tensor> {
        Ok((&self.rewards + (next * f64::from(DISCOUNT))?)?.detach())
    }
}

fn repeated(mut update: impl FnMut() -> Result<()> + 'static) -> Update {
    Box::new(move || update().expect("an update"))
}

pub fn dqn(Size { hidden, batch }: Size) -> Result<Update> {
    let online = Plain::new("q", STATES, hidden, ACTIONS)?;
    let target = online.copy()?;
    let mut adam = adam([&online])?;
    let data = Batch::new(batch)?;
    let actions: Vec<u32> = (0..batch).map(|row| (row % ACTIONS) as u32).collect();
    let actions = Tensor::from_vec(actions, (batch, 1), &Device::Cpu)?;
    Ok(repeated(move || {
        let goal = data.goal(&target.forward(&data.next_states)?.max_keepdim(1)?)?;
        let q = online.forward(&data.states)?.gather(&actions, 1)?;
        adam.backward_step(&(q - goal)?.sqr()?.mean_all()?)
    }))
}

/// Critics, their targets and their optimizer.
struct Critics {
    online: Vec<Plain>,
    targets: Vec<Plain>,
    adam: AdamW,
}

impl Critics {
    fn new(count: usize, hidden: usize) -> Result<Self> {
        let critic = |number| Plain::new(&format!("critic {number}"), STATES + ACTIONS, hidden, 1);
        let online = (0..count).map(critic).collect::<Result<Vec<_>>>()?;
        let targets = online.iter().map(Plain::copy).collect::<Result<Vec<_>>>()?;
        Ok(Self { adam: adam(&online)?, online, targets })
    }

    /// The smallest value of several networks.
    fn smallest(networks: &[Plain], states: &Tensor, actions: &Tensor) -> Result<Tensor> {
        let inputs = Tensor::cat(&[states, actions], 1)?;
        let mut smallest = networks[0].forward(&inputs)?;
        for network in &networks[1..] {
            smallest = smallest.minimum(&network.forward(&inputs)?)?;
        }
        Ok(smallest)
    }

    fn learn(&mut self, data: &Batch, goal: &Tensor, coefficient: f64) -> Result<()> {
        let inputs = Tensor::cat(&[&data.states, &data.actions], 1)?;
        let mut loss = (self.online[0].forward(&inputs)? - goal)?.sqr()?.mean_all()?;
        for critic in &self.online[1..] {
            loss = (loss + (critic.forward(&inputs)? - goal)?.sqr()?.mean_all()?)?;
        }
        self.adam.backward_step(&(loss * coefficient)?)
    }

    fn follow(&self) -> Result<()> {
        self.targets.iter().zip(&self.online).try_for_each(|(slow, fast)| slow.follow(fast))
    }
}

/// DDPG with one critic; with two, a delayed actor and smoothed targets it is TD3.
fn deterministic(size: Size, count: usize, delay: u64, smoothed: bool) -> Result<Update> {
    let actor = Plain::new("actor", STATES, size.hidden, ACTIONS)?;
    let target = actor.copy()?;
    let mut actor_adam = adam([&actor])?;
    let mut critics = Critics::new(count, size.hidden)?;
    let data = Batch::new(size.batch)?;
    let noise = tensor("noise", size.batch, ACTIONS)?;
    let mut updates = 0;
    Ok(repeated(move || {
        updates += 1;
        let mut actions = target.forward(&data.next_states)?.tanh()?;
        if smoothed {
            let push = (&noise * 0.2)?.clamp(-0.5, 0.5)?;
            actions = (actions + push)?.clamp(-1.0, 1.0)?;
        }
        let next = Critics::smallest(&critics.targets, &data.next_states, &actions)?;
        critics.learn(&data, &data.goal(&next)?, 1.0)?;
        if updates % delay != 0 {
            return Ok(());
        }
        let actions = actor.forward(&data.states)?.tanh()?;
        let value = Critics::smallest(&critics.online[..1], &data.states, &actions)?;
        actor_adam.backward_step(&value.mean_all()?.neg()?)?;
        target.follow(&actor)?;
        critics.follow()
    }))
}

pub fn ddpg(size: Size) -> Result<Update> {
    deterministic(size, 1, 1, false)
}

pub fn td3(size: Size) -> Result<Update> {
    deterministic(size, 2, 2, true)
}

pub fn sac(Size { hidden, batch }: Size) -> Result<Update> {
    let actor = Plain::new("actor", STATES, hidden, 2 * ACTIONS)?;
    let mut actor_adam = adam([&actor])?;
    let mut critics = Critics::new(2, hidden)?;
    let log_alpha = Var::zeros(1, candle_core::DType::F32, &Device::Cpu)?;
    let settings =
        ParamsAdamW { lr: LEARNING_RATE.into(), weight_decay: 0.0, ..Default::default() };
    let mut alpha_adam = AdamW::new(vec![log_alpha.clone()], settings)?;
    let data = Batch::new(batch)?;
    let noise = tensor("noise", batch, ACTIONS)?;
    let draw = move |actor: &Plain, states: &Tensor| -> Result<(Tensor, Tensor)> {
        let outputs = actor.forward(states)?;
        let mean = outputs.narrow(1, 0, ACTIONS)?;
        let log_std = outputs.narrow(1, ACTIONS, ACTIONS)?.clamp(-20.0, 2.0)?;
        let actions = (mean + (log_std.exp()? * &noise)?)?.tanh()?;
        // log N(u; mean, std^2) = -e^2 / 2 - log std - log(2 pi) / 2
        let normal = ((noise.sqr()? * -0.5)? - log_std)?.affine(1.0, -0.918_938_533)?;
        let slope = actions.sqr()?.affine(-1.0, 1.0 + 1e-6)?.log()?;
        Ok((actions, (normal - slope)?.sum_keepdim(1)?))
    };
    Ok(repeated(move || {
        let alpha = f64::from(log_alpha.exp()?.to_vec1::<f32>()?[0]);
        let (actions, log_prob) = draw(&actor, &data.next_states)?;
        let next = Critics::smallest(&critics.targets, &data.next_states, &actions)?;
        let next = (next - (log_prob * alpha)?)?;
        critics.learn(&data, &data.goal(&next)?, 0.5)?;
        let (actions, log_prob) = draw(&actor, &data.states)?;
        let value = Critics::smallest(&critics.online, &data.states, &actions)?;
        actor_adam.backward_step(&((&log_prob * alpha)? - value)?.mean_all()?)?;
        let gap = (log_prob.detach() - ACTIONS as f64)?.mean_all()?;
        alpha_adam.backward_step(&(log_alpha.exp()?.broadcast_mul(&gap)?.neg()?).sum_all()?)?;
        critics.follow()
    }))
}

/// Critics with tanh.
fn ensemble_networks(hidden: usize) -> Result<Vec<Plain>> {
    let network = |number| -> Result<Plain> {
        let network = Plain::new(&format!("member {number}"), FEATURES, hidden, 1)?;
        Ok(Plain { tanh: true, ..network })
    };
    (0..MEMBERS).map(network).collect()
}

pub fn ensemble(Size { hidden, batch }: Size) -> Result<Update> {
    let networks = ensemble_networks(hidden)?;
    let mut adam = adam(&networks)?;
    let (x, targets) = (tensor("x", batch, FEATURES)?, tensor("targets", batch, 1)?);
    let seen = numbers("seen", MEMBERS * batch);
    let seen = seen
        .chunks_exact(batch)
        .map(|seen| {
            let seen: Vec<f32> = seen.iter().map(|x| f32::from(u8::from(*x > -0.6))).collect();
            Tensor::from_vec(seen, (batch, 1), &Device::Cpu)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(repeated(move || {
        let losses = networks
            .iter()
            .zip(&seen)
            .map(|(network, seen)| ((network.forward(&x)? - &targets)?.sqr()? * seen)?.mean_all());
        let losses = losses.collect::<Result<Vec<_>>>()?;
        adam.backward_step(&Tensor::stack(&losses, 0)?.sum_all()?)
    }))
}

pub fn candidates(Size { hidden, batch }: Size) -> Result<Update> {
    let networks = ensemble_networks(hidden)?;
    let x = tensor("x", batch, FEATURES)?;
    Ok(repeated(move || {
        let values = networks.iter().map(|network| Ok(network.forward(&x)?.detach()));
        let values = Tensor::cat(&values.collect::<Result<Vec<_>>>()?, 1)?;
        black_box((values.mean(1)?, values.var(1)?.sqrt()?));
        Ok(())
    }))
}

/// The recurrent Q-network of candle's own LSTM and linear layers.
struct Recurrent {
    vars: Vec<Var>,
    start: Tensor,
    lstm: LSTM,
    hidden: Linear,
    last: Linear,
}

impl Recurrent {
    fn new(cells: usize) -> Result<Self> {
        let sizes: [(&str, &[usize], usize); 9] = [
            ("start", &[META, cells], META),
            ("weight_ih_l0", &[4 * cells, STEP_INPUTS], cells),
            ("weight_hh_l0", &[4 * cells, cells], cells),
            ("bias_ih_l0", &[4 * cells], cells),
            ("bias_hh_l0", &[4 * cells], cells),
            ("hidden weight", &[BEHIND, cells], cells),
            ("hidden bias", &[BEHIND], cells),
            ("last weight", &[CONFIGURATIONS, BEHIND], BEHIND),
            ("last bias", &[CONFIGURATIONS], BEHIND),
        ];
        let mut vars = Vec::new();
        for (name, size, inputs) in sizes {
            let scale = 1.0 / (inputs as f32).sqrt();
            let drawn = numbers(name, size.iter().product()).iter().map(|x| x * scale).collect();
            vars.push(Var::from_vec(drawn, size, &Device::Cpu)?);
        }
        let named = sizes.iter().zip(&vars);
        let named = named.map(|((name, ..), var)| ((*name).to_owned(), var.as_tensor().clone()));
        let builder = VarBuilder::from_tensors(named.collect(), DType::F32, &Device::Cpu);
        let linear = |weight: usize| {
            let bias = vars[weight + 1].as_tensor().clone();
            Linear::new(vars[weight].as_tensor().clone(), Some(bias))
        };
        Ok(Self {
            start: vars[0].as_tensor().clone(),
            lstm: candle_nn::rnn::lstm(STEP_INPUTS, cells, LSTMConfig::default(), builder)?,
            hidden: linear(5),
            last: linear(7),
            vars,
        })
    }

    fn forward(&self, meta: &Tensor, x: &Tensor) -> Result<Tensor> {
        let h = meta.matmul(&self.start)?;
        let start = LSTMState { c: h.zeros_like()?, h };
        let states = self.lstm.seq_init(x, &start)?;
        let last = states.last().expect("there is a step").h();
        self.last.forward(&self.hidden.forward(last)?.tanh()?)
    }
}

pub fn lstm(Size { hidden, batch }: Size) -> Result<Update> {
    // The same draws: a target of equal weights.
    let (online, target) = (Recurrent::new(hidden)?, Recurrent::new(hidden)?);
    let lr = f64::from(LEARNING_RATE);
    let settings = ParamsAdamW { lr, weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut adam = AdamW::new(online.vars.clone(), settings)?;
    let meta = tensor("metas", batch, META)?;
    let history = |steps: usize| {
        tensor("steps", batch, steps * STEP_INPUTS)?.reshape((batch, steps, STEP_INPUTS))
    };
    let (states, nexts) = (history(STEPS)?, history(STEPS + 1)?);
    let rewards = tensor("rewards", batch, 1)?;
    let actions: Vec<u32> = (0..batch).map(|row| (row * 991 % CONFIGURATIONS) as u32).collect();
    let actions = Tensor::from_vec(actions, (batch, 1), &Device::Cpu)?;
    Ok(repeated(move || {
        let best = target.forward(&meta, &nexts)?.max_keepdim(1)?;
        let goal = (&rewards + (best * f64::from(DISCOUNT))?)?.detach();
        let q = online.forward(&meta, &states)?.gather(&actions, 1)?;
        let mut gradients = (q - goal)?.sqr()?.mean_all()?.backward()?;
        let mut square = 0.0;
        for var in &online.vars {
            if let Some(gradient) = gradients.get(var) {
                square += gradient.sqr()?.sum_all()?.to_scalar::<f32>()?;
            }
        }
        let factor = f64::from(CLIP / (square.sqrt() + 1e-6));
        if factor < 1.0 {
            for var in &online.vars {
                if let Some(gradient) = gradients.remove(var) {
                    gradients.insert(var, (gradient * factor)?);
                }
            }
        }
        adam.step(&gradients)
    }))
}
