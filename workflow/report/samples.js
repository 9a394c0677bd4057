'use strict';
// The sample browser of the report. Model text enters the page by textContent alone; nothing is fetched.
(() => {
  const browser = document.getElementById('sample-browser');
  if (!('DecompressionStream' in window)) return;
  const form = browser.querySelector('form');
  const fields = form.elements;
  const told = browser.querySelector('output');
  const found = browser.querySelector('.found');
  const [back, on] = browser.querySelectorAll('.pages button');
  const PAGE = 10; // problems shown at a time
  const FILTERS = ['category', 'subset', 'method', 'flip', 'right', 'wrong'];
  const SUBSETS = ['clean', 'contaminated'];
  const FLIPS = {gained: 'wrong before, right after', lost: 'right before, wrong after'};
  let shelves, labels, texts, opened, matches = [], first = 0;

  function element(tag, text, attributes = {}) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  async function unpack() {
    const packed = atob(document.getElementById('sample-data').textContent);
    const bytes = Uint8Array.from(packed, character => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
    const [index, ...lines] = (await new Response(stream).text()).trimEnd().split('\n');
    ({shelves, labels} = JSON.parse(index));
    texts = new Map();
    for (const line of lines) {
      const [shelf, turn, problem, prompt, answers] = JSON.parse(line);
      texts.set(`${shelf} ${turn} ${problem}`, {prompt, answers});
    }
    const several = new Set(shelves.map(shelf => `${shelf.dataset} ${shelf.model}`)).size > 1;
    const name = shelf => several ? [shelf.task, shelf.dataset, shelf.model].join(' · ') : shelf.task;
    fill('shelf', shelves.map((shelf, number) => [number, name(shelf)]));
    fillRest();
  }

  function fill(name, options) {
    const kept = fields[name].value;
    fields[name].replaceChildren(...options.map(([value, label]) => element('option', label, {value})));
    if (options.some(([value]) => String(value) === kept)) fields[name].value = kept;
  }

  function fillRest() {
    const shelf = shelves[Number(fields.shelf.value)];
    const methods = shelf.methods.map(method => [method, labels[method]]);
    const rules = shelf.rules.map(rule => [`rule:${rule}`, `rule: ${rule}`]);
    fill('turn', shelf.turns.map(([seed, repeat], number) => [number, `seed ${seed}, repeat ${repeat + 1}`]));
    fill('category', [['', 'all'], ...shelf.categories.map(category => [category, category]), ...rules]);
    fill('subset', [['', 'whether or not'], ...SUBSETS.map(name => [name, name])]);
    fill('method', [['', 'all'], ...methods]);
    fill('flip', [['', 'whether or not'], ...Object.entries(FLIPS)]);
    fill('right', [['', 'any'], ...methods]);
    fill('wrong', [['', 'any'], ...methods]);
  }

  // The address holds the choice: #samples?task=…&category=…&subset=…&right=…&wrong=…
  function read() {
    const chosen = new URLSearchParams(location.hash.replace(/^#samples\??/, ''));
    const place = ['dataset', 'model', 'task'].filter(name => chosen.has(name));
    const shelf = shelves.findIndex(one => place.every(name => one[name] === chosen.get(name)));
    fields.shelf.value = Math.max(shelf, 0);
    fillRest();
    const turn = shelves[Number(fields.shelf.value)].turns.findIndex(([seed, repeat]) =>
      String(seed) === chosen.get('seed') && String(repeat) === (chosen.get('repeat') ?? '0'));
    fields.turn.value = Math.max(turn, 0);
    const unknown = [...(shelf < 0 ? place : []), ...(turn < 0 && chosen.has('seed') ? ['seed'] : [])];
    for (const name of FILTERS) {
      const value = chosen.get(name) ?? '';
      const known = [...fields[name].options].some(option => option.value === value);
      fields[name].value = known ? value : '';
      if (!known) unknown.push(name);
    }
    show();
    if (unknown.length) nothing(unknown.map(name => `${name} ${chosen.get(name)}`).join(', '));
  }

  function nothing(what) {
    told.textContent = `Not on this page: ${what}.`;
    found.replaceChildren();
    back.disabled = on.disabled = true;
  }

  function write() {
    const {dataset, model, task, turns} = shelves[Number(fields.shelf.value)];
    const [seed, repeat] = turns[Number(fields.turn.value)];
    const chosen = new URLSearchParams({dataset, model, task, seed, repeat});
    for (const name of FILTERS) {
      if (fields[name].value) chosen.set(name, fields[name].value);
    }
    history.replaceState(null, '', `#samples?${chosen}`);
    show();
  }

  const subsetOf = (shelf, problem) => shelf.seen[problem] === '1' ? 'contaminated' : 'clean';

  function matching(shelf, turn) {
    const {category, subset, method, flip, right, wrong} = Object.fromEntries(new FormData(form));
    const trained = method && method !== 'base' ? [method] : shelf.methods.filter(name => name !== 'base');
    const isRight = (name, problem) => shelf.right[name][turn][problem] === '1';
    const flipped = problem => trained.some(name => isRight(name, problem) !== isRight('base', problem));
    return [...shelf.problems.keys()].filter(problem => {
      const [, ofCategory, ofRule] = shelf.problems[problem];
      return (!category || category === shelf.categories[ofCategory] || category === `rule:${shelf.rules[ofRule]}`)
        && (!subset || subset === subsetOf(shelf, problem))
        && (!right || isRight(right, problem))
        && (!wrong || !isRight(wrong, problem))
        && (!flip || (flipped(problem) && isRight('base', problem) === (flip === 'lost')));
    });
  }

  function show(start = 0) {
    const number = Number(fields.shelf.value), turn = Number(fields.turn.value), shelf = shelves[number];
    const here = problem => texts.has(`${number} ${turn} ${problem}`);
    matches = matching(shelf, turn);
    matches.sort((one, other) => here(other) - here(one) || one - other);
    first = start;
    const shown = matches.slice(first, first + PAGE);
    const range = shown.length ? `; ${first + 1} to ${first + shown.length} shown` : '';
    told.textContent = `${matches.length} of ${shelf.problems.length} problems match, `
      + `${matches.filter(here).length} of them with their texts${range}.`;
    found.replaceChildren(...shown.map(problem => article(shelf, number, turn, problem)));
    back.disabled = first === 0;
    on.disabled = first + PAGE >= matches.length;
  }

  function article(shelf, number, turn, problem) {
    const [name, category, rule, gold] = shelf.problems[problem];
    const [seed, repeat] = shelf.turns[turn];
    const text = texts.get(`${number} ${turn} ${problem}`);
    const prompt = texts.get(`${number} 0 ${problem}`)?.prompt;
    const made = element('article'), answers = element('div', undefined, {class: 'answers'});
    const facts = [shelf.categories[category], shelf.rules[rule], `gold answer: ${gold ?? 'decided by a verifier'}`];
    if (subsetOf(shelf, problem) === 'contaminated') facts.push('contaminated');
    made.append(element('h4', `Problem ${name}`));
    made.append(element('p', [...facts, `seed ${seed}, repeat ${repeat + 1}`].join(' · '), {class: 'note'}));
    if (text) made.append(element('pre', prompt, {class: 'prompt', tabindex: '0'}));
    shelf.methods.forEach((method, place) => {
      if (fields.method.value && ![fields.method.value, 'base'].includes(method)) return;
      const isRight = shelf.right[method][turn][problem] === '1';
      answers.append(answer(labels[method], isRight, text?.answers[place], file(shelf, method, seed)));
    });
    made.append(answers);
    return made;
  }

  function answer(label, isRight, text, path) {
    const made = element('div', undefined, {class: 'answer-of'}), head = element('h5', `${label} `);
    const outcome = isRight ? 'right' : 'wrong', link = element('a', 'file', {href: path, title: path});
    head.append(element('span', outcome, {class: outcome}));
    made.append(head);
    if (text) made.append(element('pre', text[0], {tabindex: '0'}));
    const read = text && (text[1] === null ? 'no answer' : `“${text[1]}”`);
    const note = element('p', text ? `read as ${read} · ${text[2]} tokens · ` : 'text not on this page · ', {class: 'note'});
    note.append(link);
    made.append(note);
    return made;
  }

  const file = (shelf, method, seed) =>
    ['evaluation', shelf.dataset, shelf.model, method, `seed-${seed}`, `${shelf.task}.parquet`]
      .map(encodeURIComponent).join('/');
  const open = () => (opened ??= unpack().then(read));
  const turnTo = start => { show(start); told.focus(); };

  document.getElementById('samples-without-script').hidden = true;
  browser.hidden = false;
  for (const link of document.querySelectorAll('[data-samples]')) {
    link.setAttribute('href', `#samples?${link.dataset.samples}`);
  }
  form.addEventListener('change', event => { if (event.target.name === 'shelf') fillRest(); write(); });
  form.addEventListener('reset', () => setTimeout(() => { fillRest(); write(); }));
  form.addEventListener('submit', event => event.preventDefault());
  back.addEventListener('click', () => turnTo(first - PAGE));
  on.addEventListener('click', () => turnTo(first + PAGE));
  new IntersectionObserver((seen, observer) => {
    if (seen.some(one => one.isIntersecting)) { observer.disconnect(); open(); }
  }, {rootMargin: '400px'}).observe(browser);

  function follow() {
    if (!location.hash.startsWith('#samples?')) return;
    document.getElementById('samples').scrollIntoView();
    if (opened) opened.then(read); else open();
  }
  addEventListener('hashchange', follow);
  follow();
})();
