/** Where the time goes: every node of both networks, measured here when asked, with the kernel that ran. */
import type { NodeTime, NodeTimes, ProfileView } from '../../engine/protocol';
import { fineMilliseconds, percent, plural, times } from '../../lib/format';
import { BrokenName } from '../../components/broken-name';
import { aboutKernel, byKernel, kernelName, operatorName, verdict } from '../../lib/profile';
import { isaName, threadCount } from '../../lib/sentences';
import { useDispatch, useSlice } from '../../state/store';
import { profileKey } from '../../state/tasks';
import { testids } from '../../testids';
import '../../components/scroll-table.css';
import './view.css';

export function Measure() {
  const quantized = useSlice((state) => state.quantized !== null);
  const profile = useSlice((state) => state.profile);
  const key = useSlice(profileKey);
  const fixed = useSlice((state) => state.model?.quantized ?? false);
  if (!quantized) return null;
  const current = profile?.key === key;
  return (
    <section class="measure card" aria-labelledby="measure-title" data-testid={testids.measure} data-state={!profile ? 'empty' : current ? 'current' : 'outdated'}>
      <header>
        <div>
          <h2 id="measure-title">Time by node</h2>
          <p class="quiet small">{profile ? verdict(profile.value) : 'What each node takes in this browser on this computer, in both networks, and the kernel that runs it.'}</p>
        </div>
        <Start has={!!profile} current={current} />
      </header>
      {profile && <Figures profile={profile.value} fixed={fixed} />}
    </section>
  );
}

function Start({ has, current }: { has: boolean; current: boolean }) {
  const dispatch = useDispatch();
  const key = useSlice(profileKey);
  const waiting = useSlice((state) => state.profileAsked === key && state.profile?.key !== key && !state.givenUp.some((one) => one.key === key));
  const words = waiting ? 'Measuring …' : !has ? 'Measure here' : current ? 'Measure again' : 'Measure these bits';
  return (
    <button type="button" class="button" data-testid={testids.measureStart} disabled={waiting} onClick={() => dispatch({ type: 'profileAsked', key })}>
      {words}
    </button>
  );
}

function Figures({ profile, fixed }: { profile: ProfileView; fixed: boolean }) {
  const threads = useSlice((state) => state.engine.info?.threads ?? 1);
  const most = Math.max(...profile.nodes.flatMap(({ full, quantized }) => [full?.ms ?? 0, quantized?.ms ?? 0]));
  return (
    <>
      <div class="sums">
        <Sums title={fixed ? 'Its definition in float' : 'Full precision'} side="full" total={profile.fullMs} nodes={profile.nodes} />
        <Sums title={profile.path === 'int8' ? 'On integers' : 'Quantized, simulated'} side="quantized" total={profile.quantizedMs} nodes={profile.nodes} />
      </div>
      <div class="scroll scroll-table" tabIndex={0} role="region" aria-label="Table of nodes">
        <table>
          <thead>
            <tr>
              <th scope="col">node</th>
              <th scope="col" class="wide-only">operator</th>
              <th scope="col" class="wide-only number">makes</th>
              <th scope="col">{fixed ? 'in float' : 'full precision'}</th>
              <th scope="col">quantized</th>
              <th scope="col" class="number" title="How many times as fast the quantized node is">gain</th>
            </tr>
          </thead>
          <tbody>
            {profile.nodes.map((node) => (
              <NodeRow key={node.name} node={node} most={most} />
            ))}
          </tbody>
        </table>
      </div>
      <p class="quiet small">
        {isaName(profile.isa)}{threadCount(threads)}, the first picture. Means of {plural(profile.runs, 'run')} of each network in turns, the faster half of all. A plus joins nodes that run as one. A dash: that network has no such node, or another one does its work as well.
      </p>
    </>
  );
}

function Sums({ title, side, total, nodes }: { title: string; side: 'full' | 'quantized'; total: number; nodes: NodeTimes[] }) {
  return (
    <div>
      <h3>
        {title} <span class={side}>{fineMilliseconds(total)} ms</span>
      </h3>
      <dl class="facts-list lined small">
        {byKernel(nodes, side).slice(0, 4).map(({ name, about, ms, nodes: count }) => (
          <div key={name}>
            <dt title={about}>
              {name} <span class="quiet">· {plural(count, 'node')}</span>
            </dt>
            <dd>
              {fineMilliseconds(ms)} ms <span class="quiet">{percent(ms / total)}</span>
            </dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

function NodeRow({ node: { name, shape, full, quantized }, most }: { node: NodeTimes; most: number }) {
  const op = full?.op ?? quantized?.op ?? '';
  return (
    <tr data-testid={testids.nodeRow} data-node={name}>
      <th scope="row">
        <BrokenName name={name} />
      </th>
      <td class="wide-only quiet">{operatorName(op)}</td>
      <td class="wide-only quiet number">{shape}</td>
      <Time time={full} side="full" most={most} />
      <Time time={quantized} side="quantized" most={most} />
      <td class="number">{full && quantized && quantized.ms > 0 ? times(full.ms / quantized.ms) : <span class="quiet">–</span>}</td>
    </tr>
  );
}

function Time({ time, side, most }: { time: NodeTime | null; side: 'full' | 'quantized'; most: number }) {
  if (!time) return <td class="quiet">–</td>;
  return (
    <td title={aboutKernel(time)}>
      <div class="time">
        <span class={`share ${side}`} aria-hidden="true" style={{ '--share': String(time.ms / most) }} />
        <span>
          {fineMilliseconds(time.ms)} <span class="quiet">ms</span>
        </span>
        <span class="quiet kernel">{time.kernel ? kernelName(time) : ''}</span>
      </div>
    </td>
  );
}
