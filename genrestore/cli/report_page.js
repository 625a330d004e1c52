"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const list = $("pictures"), viewer = $("viewer");
  if (!list || !viewer || !viewer.showModal) return;
  const inOrder = [...list.children]; // by name
  let tiles = inOrder;

  function arrange() {
    const key = $("sort").value, sign = $("descending").getAttribute("aria-pressed") === "true" ? -1 : 1;
    const wanted = $("find").value.toLowerCase();
    const ranked = inOrder.map((tile, index) => {
      tile.hidden = !tile.dataset.name.toLowerCase().includes(wanted);
      return { tile, rank: key === "name" ? index : tile.dataset[key] ? Number(tile.dataset[key]) : NaN };
    });
    ranked.sort(({ rank: a }, { rank: b }) => {
      return Number.isNaN(a) || Number.isNaN(b) ? Number.isNaN(a) - Number.isNaN(b) : sign * (a - b);
    });
    const sorted = ranked.map((one) => one.tile);
    list.append(...sorted);
    tiles = sorted.filter((tile) => !tile.hidden);
    count();
  }

  function count() {
    $("found").textContent = `${tiles.length} of ${inOrder.length}`;
  }

  $("sort").addEventListener("change", arrange);
  $("find").addEventListener("input", arrange);
  $("descending").addEventListener("click", () => {
    const pressed = $("descending").getAttribute("aria-pressed") === "true";
    $("descending").setAttribute("aria-pressed", String(!pressed));
    arrange();
  });
  $("tools").hidden = false;
  count();

  // The viewer: two pictures on top of each other; the upper one, the result, is cut off at the divider.
  const stage = $("stage"), both = $("both"), before = $("before"), after = $("after");
  let current = null, zoom = 0, split = 0.5;

  function place() {
    const shown = after.naturalWidth ? after : before;
    if (!shown.naturalWidth) return;
    const fit = Math.min(stage.clientWidth / shown.naturalWidth, stage.clientHeight / shown.naturalHeight);
    const scale = zoom ? zoom / devicePixelRatio : Math.min(fit, 16);
    both.style.width = `${Math.max(1, Math.floor(shown.naturalWidth * scale))}px`;
    both.style.height = `${Math.max(1, Math.floor(shown.naturalHeight * scale))}px`;
    both.classList.toggle("coarse", scale * devicePixelRatio >= 2);
    for (const button of viewer.querySelectorAll("[data-zoom]")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.zoom) === zoom));
    }
    cut();
  }

  function cut() {
    const paired = before.naturalWidth > 0 && after.naturalWidth > 0;
    const left = split * stage.clientWidth + stage.getBoundingClientRect().left - both.getBoundingClientRect().left;
    after.style.clipPath = paired ? `inset(0 0 0 ${Math.max(0, Math.min(left, both.clientWidth))}px)` : "none";
    $("divider").hidden = $("words").hidden = $("position").hidden = !paired;
    $("divider").style.left = `${split * stage.clientWidth}px`;
    $("position").value = String(Math.round(1000 * split));
  }

  function move(to) {
    split = Math.max(0, Math.min(1, to));
    cut();
  }

  function setZoom(to) {
    const across = (stage.scrollLeft + stage.clientWidth / 2) / Math.max(1, stage.scrollWidth);
    const down = (stage.scrollTop + stage.clientHeight / 2) / Math.max(1, stage.scrollHeight);
    zoom = to;
    place();
    stage.scrollTo(across * stage.scrollWidth - stage.clientWidth / 2, down * stage.scrollHeight - stage.clientHeight / 2);
    cut();
  }

  function load(image, source) {
    image.hidden = !source;
    if (source) image.src = source;
    else image.removeAttribute("src");
  }

  function show(tile) {
    current = tile;
    $("lost").hidden = true;
    $("title").textContent = tile.dataset.name;
    $("figures").textContent = tile.querySelector(".figures").textContent.trim();
    $("count").textContent = `${tiles.indexOf(tile) + 1} / ${tiles.length}`;
    load(before, tile.dataset.before);
    load(after, tile.dataset.after);
    if (!viewer.open) viewer.showModal();
    stage.focus();
    place();
  }

  function step(by) {
    const next = tiles[tiles.indexOf(current) + by];
    if (next) show(next);
  }

  for (const image of [before, after]) {
    image.addEventListener("load", place);
    image.addEventListener("error", () => {
      if (!image.getAttribute("src")) return;
      image.hidden = true;
      $("lost").hidden = false;
      $("lost").textContent = `Not at its place any more: ${decodeURIComponent(escapeLone(image.src))}`;
      cut();
    });
  }

  function escapeLone(link) {
    try {
      decodeURIComponent(link);
      return link;
    } catch {
      return encodeURIComponent(link); // bytes that are no UTF-8 stay as they are written
    }
  }

  list.addEventListener("click", (event) => {
    const link = event.target.closest("a.open");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(link.closest(".tile"));
  });

  let dragging = false;
  const follow = (event) => move((event.clientX - stage.getBoundingClientRect().left) / stage.clientWidth);
  stage.addEventListener("pointerdown", (event) => {
    const box = stage.getBoundingClientRect();
    const onBar = event.clientX - box.left > stage.clientWidth || event.clientY - box.top > stage.clientHeight;
    if (event.button !== 0 || onBar || event.pointerType === "touch") return;
    dragging = true;
    stage.setPointerCapture(event.pointerId);
    follow(event);
  });
  stage.addEventListener("pointermove", (event) => dragging && follow(event));
  stage.addEventListener("pointerup", () => (dragging = false));
  stage.addEventListener("pointercancel", () => (dragging = false));
  stage.addEventListener("dragstart", (event) => event.preventDefault());
  stage.addEventListener("scroll", cut);
  addEventListener("resize", () => viewer.open && place());
  $("position").addEventListener("input", () => move(Number($("position").value) / 1000));
  $("previous").addEventListener("click", () => step(-1));
  $("next").addEventListener("click", () => step(1));
  $("close").addEventListener("click", () => viewer.close());
  for (const button of viewer.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => setZoom(Number(button.dataset.zoom)));
  }
  viewer.addEventListener("close", () => {
    const link = current && current.querySelector("a.open");
    if (link) link.focus();
  });

  const KEYS = {
    n: () => step(1), p: () => step(-1), PageDown: () => step(1), PageUp: () => step(-1),
    ArrowLeft: () => move(split - 0.05), ArrowRight: () => move(split + 0.05),
    b: () => move(split < 1 ? 1 : 0),
    0: () => setZoom(0), 1: () => setZoom(1), 2: () => setZoom(2),
  };
  viewer.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  });
})();
