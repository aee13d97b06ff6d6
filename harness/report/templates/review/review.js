"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const images = data.images;
  const scales = data.scales.map((scale) => scale.name);
  const questions = [...scales, "artefacts", "train"];
  const kept = `image-review:${data.review}`;
  const state = { rater: "", at: 0, ratings: {} };
  let question = 0;
  let since = Date.now();
  let pointer = false;

  const current = () => images[state.at];
  const rating = () => (state.ratings[current().id] ??= { artefacts: [], comment: "", seconds: 0 });
  const has = (given, name) => (name === "artefacts" ? given.artefacts.length > 0 : given[name] !== undefined);
  const open = (given) => questions.findIndex((name) => !given || !has(given, name));
  const isDone = (image) => open(state.ratings[image.id]) < 0;
  const isBegun = ({ id }) => id in state.ratings && questions.some((name) => has(state.ratings[id], name));

  const say = (text) => ($("said").textContent = text);

  function keep() {
    try {
      localStorage.setItem(kept, JSON.stringify(state));
      $("kept").textContent = "Kept in this browser.";
    } catch {
      $("kept").textContent = "This browser keeps nothing: export before you close the page.";
    }
  }

  function recall() {
    try {
      const found = JSON.parse(localStorage.getItem(kept));
      if (found) Object.assign(state, found);
      state.at = Math.min(Math.max(Math.trunc(state.at) || 0, 0), images.length - 1);
    } catch {
      $("kept").textContent = "This browser keeps nothing: export before you close the page.";
    }
  }

  function answer(name, value) {
    const given = rating();
    if (name === "artefacts") {
      const others = given.artefacts.filter((tag) => tag !== value && (tag === data.none) === (value === data.none));
      given.artefacts = given.artefacts.includes(value) ? others : [...others, value];
    } else {
      given[name] = value;
    }
    given.at = new Date().toISOString();
    question = questions.indexOf(name);
    const isOver = name !== "artefacts" || value === data.none;
    if (isOver && has(given, name)) question = Math.min(question + 1, questions.length - 1);
    say("");
    changed();
  }

  function changed() {
    keep();
    const given = state.ratings[current().id] ?? { artefacts: [], comment: "" };
    for (const input of $("questions").querySelectorAll("input")) {
      const value = scales.includes(input.name) ? Number(input.value) : input.value;
      input.checked = input.name === "artefacts" ? given.artefacts.includes(value) : given[input.name] === value;
    }
    for (const set of $("questions").querySelectorAll("fieldset")) {
      const isCurrent = set.dataset.question === questions[question];
      set.classList.toggle("current", isCurrent);
      set.classList.toggle("answered", has(given, set.dataset.question));
      if (isCurrent) set.setAttribute("aria-current", "step");
      else set.removeAttribute("aria-current");
    }
    const done = images.filter(isDone).length;
    $("bar").value = done;
    $("count").textContent = `${done} of ${images.length} rated`;
    $("end").hidden = done < images.length;
    images.forEach((image, i) => {
      const button = $("places").children[i].firstChild;
      const word = isDone(image) ? "rated" : isBegun(image) ? "begun" : "open";
      button.className = word;
      button.setAttribute("aria-label", `Image ${i + 1}, ${word}`);
      if (i === state.at) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
  }

  // Adds the time since the last call to the image on view; a page that nobody sees does not count.
  function clock(wasSeen = true) {
    const given = state.ratings[current().id];
    const seconds = Math.max(0, Math.round((Date.now() - since) / 1000)); // clocks are set back
    if (given && wasSeen) given.seconds = Math.min(given.seconds + seconds, 3600);
    since = Date.now();
  }

  function show(at) {
    clock();
    state.at = Math.min(Math.max(at, 0), images.length - 1);
    const image = current();
    const place = `Image ${state.at + 1} of ${images.length}`;
    $("image").src = `data:image/webp;base64,${image.data.trim()}`;
    $("image").alt = `${place}, to be judged by eye`;
    $("place").textContent = place;
    for (const words of $("questions").querySelectorAll("[data-words]")) {
      words.textContent = words.dataset.words.replace("{asked}", () => `“${image.asked}”`);
    }
    $("comment").value = state.ratings[image.id]?.comment ?? "";
    $("back").disabled = state.at === 0;
    question = Math.max(open(state.ratings[image.id]), 0);
    say("");
    changed();
  }

  function go(step) {
    show(state.at + step);
    $("place").focus({ preventScroll: true });
    if (window.scrollY > $("rating").offsetTop) $("rating").scrollIntoView();
  }

  function onward() {
    const missing = open(state.ratings[current().id]);
    if (missing >= 0) {
      question = missing;
      changed();
      const set = $("questions").querySelector("fieldset.current");
      set.scrollIntoView({ block: "nearest" });
      say(`Still open: ${set.querySelector("legend").firstChild.textContent.trim()}`);
    } else if (images.every(isDone)) {
      clock();
      keep();
      $("end-title").focus();
    } else if (state.at === images.length - 1) {
      go(images.findIndex((image) => !isDone(image)) - state.at);
    } else {
      go(1);
    }
  }

  // CRC-32 (ISO 3309) of UTF-8: shows a slip of the hand in an exported file, no more than that.
  function checksum(text) {
    let crc = -1;
    for (const byte of new TextEncoder().encode(text)) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ((crc ^ -1) >>> 0).toString(16).padStart(8, "0");
  }

  // A lone half of a surrogate pair is no character, and no JSON file in UTF-8 can hold it.
  const sound = (text) => new TextDecoder().decode(new TextEncoder().encode(text));

  function exported() {
    const ratings = images.filter(isBegun).map((image) => {
      const given = state.ratings[image.id];
      const answers = Object.fromEntries(scales.map((name) => [name, given[name] ?? null]));
      const { artefacts, train = null, comment, at, seconds } = given;
      return { id: image.id, ...answers, artefacts, train, comment: sound(comment), at, seconds };
    });
    const body = [data.review, data.page, sound(state.rater), ratings];
    return {
      schema: "harness.ratings/1", review: data.review, page: data.page, rater: body[2],
      exported: new Date().toISOString(), checksum: checksum(JSON.stringify(body)), ratings,
    };
  }

  function save() {
    if (!named()) return;
    clock();
    keep();
    const file = new Blob([JSON.stringify(exported(), null, 1) + "\n"], { type: "application/json" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    const name = state.rater.normalize("NFKD").replace(/[^A-Za-z0-9]+/g, "-").replace(/^-+|-+$/g, "").toLowerCase();
    link.download = `ratings-${data.review.slice(0, 6)}-${name || "reviewer"}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    $("kept").textContent = `Exported ${link.download}.`;
  }

  async function load(file) {
    try {
      const read = JSON.parse(await file.text());
      const body = [read.review, read.page, read.rater, read.ratings];
      if (read.review !== data.review || read.page !== data.page) throw new Error("it is of another review");
      if (checksum(JSON.stringify(body)) !== read.checksum) throw new Error("it was edited after its export");
      if (state.rater && state.rater !== read.rater) throw new Error(`it is ${read.rater}'s, and this is ${state.rater}'s`);
      for (const { id, ...given } of read.ratings) {
        const mine = state.ratings[id];
        for (const name of questions) if (given[name] === null) delete given[name];
        if (images.some((image) => image.id === id) && !(mine?.at > given.at)) state.ratings[id] = given;
      }
      state.rater = read.rater;
      $("rater").value = state.rater;
      const first = images.findIndex((image) => !isDone(image));
      begin(first < 0 ? 0 : first);
      $("kept").textContent = `Imported ${file.name}.`;
    } catch (problem) {
      $("kept").textContent = `${file.name} is not imported: ${problem.message}.`;
    }
  }

  function named() {
    state.rater = $("rater").value.trim();
    if (state.rater) return true;
    $("start").hidden = false;
    $("rater").focus();
    $("rater").reportValidity();
    return false;
  }

  function begin(at) {
    if (!named()) return;
    $("start").hidden = true;
    $("rating").hidden = false;
    since = Date.now();
    show(at);
    $("place").focus();
  }

  function pressed(event) {
    pointer = false;
    const target = event.target;
    const key = event.key.toLowerCase();
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (target === $("comment")) {
      if (key === "escape") $("place").focus();
      return;
    }
    if (target === $("rater")) {
      if (key === "enter") begin(state.at);
      return;
    }
    if ($("rating").hidden || !$("keys").checked) return;
    const isControl = target.matches("button, summary, a, label.button, input");
    if (isControl && (key === "enter" || key === " " || key.startsWith("arrow"))) return;
    const scale = scales.includes(questions[question]);
    const tag = data.tags.find((one) => one.key === key);
    const train = data.train.find((word) => word[0] === key);
    if (scale && /^[1-5]$/.test(key)) answer(questions[question], Number(key));
    else if (tag) answer("artefacts", tag.name);
    else if (key === "0") answer("artefacts", data.none);
    else if (train) answer("train", train);
    else if (key === "enter") onward();
    else if (key === "arrowleft") go(-1);
    else if (key === "arrowright") go(1);
    else if (key === "arrowup" || key === "arrowdown") {
      question = Math.min(Math.max(question + (key === "arrowup" ? -1 : 1), 0), questions.length - 1);
      changed();
      $("questions").querySelector("fieldset.current").scrollIntoView({ block: "nearest" });
    } else if (key === "m") $("comment").focus();
    else if (key === "?") $("help").open = !$("help").open;
    else return;
    event.preventDefault();
  }

  const room = Math.min(512, Math.max(data.width, data.height, 384));
  const factor = Math.floor(room / Math.max(data.width, data.height));
  if (factor > 1) {
    $("image").width = data.width * factor;
    $("image").height = data.height * factor;
    $("image").classList.add("enlarged");
  }
  images.forEach((_, i) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = i + 1;
    button.addEventListener("click", () => ($("rating").hidden ? begin(i) : go(i - state.at)));
    item.append(button);
    $("places").append(item);
  });
  document.addEventListener("keydown", pressed);
  document.addEventListener("pointerdown", () => (pointer = true));
  document.addEventListener("visibilitychange", () => clock(document.hidden));
  $("questions").addEventListener("change", ({ target }) => {
    if (target === $("comment")) return;
    answer(target.name, scales.includes(target.name) ? Number(target.value) : target.value);
    if (pointer) target.blur(); // or the arrows would change the answer where they should change the image
  });
  $("questions").addEventListener("submit", (event) => event.preventDefault());
  $("comment").addEventListener("input", () => {
    const given = rating();
    given.comment = $("comment").value;
    given.at = new Date().toISOString();
    keep();
  });
  $("begin").addEventListener("click", () => begin(state.at));
  $("back").addEventListener("click", () => go(-1));
  $("on").addEventListener("click", () => go(1));
  $("export").addEventListener("click", save);
  $("export-too").addEventListener("click", save);
  $("import").addEventListener("change", ({ target }) => {
    if (target.files.length) load(target.files[0]);
    target.value = "";
  });

  recall();
  $("rater").value = state.rater;
  changed();
  if (state.rater) begin(state.at);
})();
