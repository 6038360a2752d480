import { render } from 'preact';
import { load, version } from '../../pkg/loader.js';

const variant = await load();
const app = document.getElementById('app');
if (app) {
  render(
    <p data-testid="version">
      Bitlens {version()} ({variant})
    </p>,
    app,
  );
}
