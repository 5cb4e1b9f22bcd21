// A small viewer of surfaces: WebGL, no library, no network. World axes are the patient's: +x right, +y front, +z up.
(() => {
  const root = document.currentScript.parentElement.querySelector(".scene") || document.querySelector(".scene");
  const data = JSON.parse(document.querySelector(".scene-data").textContent);
  const stage = root.querySelector(".stage"), canvas = root.querySelector("canvas");
  const gl = canvas.getContext("webgl", { antialias: true, preserveDrawingBuffer: true });
  if (!gl) {
    const note = document.createElement("div");
    note.className = "none";
    note.textContent = "This browser shows no three-dimensional graphics (WebGL is off). The views above show the same leads.";
    stage.append(note);
    return;
  }
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  const wide = gl.getExtension("OES_element_index_uint");

  const shader = (type, source) => { const s = gl.createShader(type); gl.shaderSource(s, source); gl.compileShader(s); return s; };
  const program = gl.createProgram();
  gl.attachShader(program, shader(gl.VERTEX_SHADER, `
    attribute vec3 place; attribute vec3 normal; uniform mat4 view; uniform mat3 turn; varying vec3 n;
    void main() { n = turn * normal; gl_Position = view * vec4(place, 1.0); }`));
  gl.attachShader(program, shader(gl.FRAGMENT_SHADER, `
    precision mediump float; varying vec3 n; uniform vec4 colour;
    void main() { float f = abs(normalize(n).z); gl_FragColor = vec4(colour.rgb * (0.35 + 0.65 * f), colour.a + (1.0 - f) * 0.25 * colour.a); }`));
  gl.linkProgram(program);
  gl.useProgram(program);
  const at = (name) => gl.getAttribLocation(program, name), set = (name) => gl.getUniformLocation(program, name);

  const normals = (v, t) => {
    const n = new Float32Array(v.length);
    for (let i = 0; i < t.length; i += 3) {
      const [a, b, c] = [3 * t[i], 3 * t[i + 1], 3 * t[i + 2]];
      const u = [0, 1, 2].map((k) => v[b + k] - v[a + k]), w = [0, 1, 2].map((k) => v[c + k] - v[a + k]);
      const x = [u[1] * w[2] - u[2] * w[1], u[2] * w[0] - u[0] * w[2], u[0] * w[1] - u[1] * w[0]];
      for (const corner of [a, b, c]) for (let k = 0; k < 3; k++) n[corner + k] += x[k];
    }
    return n;
  };
  const fill = (kind, values) => { const b = gl.createBuffer(); gl.bindBuffer(kind, b); gl.bufferData(kind, values, gl.STATIC_DRAW); return b; };
  const parts = data.parts.map((p) => {
    const v = new Float32Array(bytes(p.vertices)), t = new Uint32Array(bytes(p.triangles));
    const middle = [0, 1, 2].map((k) => { let s = 0; for (let i = k; i < v.length; i += 3) s += v[i]; return 3 * s / v.length; });
    return { ...p, shown: true, count: t.length, middle, rgb: [1, 3, 5].map((k) => parseInt(p.colour.slice(k, k + 2), 16) / 255),
      place: fill(gl.ARRAY_BUFFER, v), normal: fill(gl.ARRAY_BUFFER, normals(v, t)),
      index: fill(gl.ELEMENT_ARRAY_BUFFER, wide ? t : new Uint16Array(t)) };
  });

  // Rows of the rotation are the screen's right, up, and towards the viewer, in the patient's axes.
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const from = (towards, up) => [cross(up, towards), up, towards];
  const VIEWS = {
    front: from([0, 1, 0], [0, 0, 1]), back: from([0, -1, 0], [0, 0, 1]), "right side": from([1, 0, 0], [0, 0, 1]),
    "left side": from([-1, 0, 0], [0, 0, 1]), above: from([0, 0, 1], [0, 1, 0]), below: from([0, 0, -1], [0, 1, 0]),
  };
  let rotation = VIEWS.front, zoom = 1;
  const about = (axis, angle) => {
    const c = Math.cos(angle), s = Math.sin(angle), [i, j] = axis === "up" ? [0, 2] : [1, 2], r = rotation.map((row) => [...row]);
    for (let k = 0; k < 3; k++) {
      r[i][k] = c * rotation[i][k] + s * rotation[j][k];
      r[j][k] = -s * rotation[i][k] + c * rotation[j][k];
    }
    rotation = r;
  };
  const seen = (p) => rotation.map((row) => row[0] * p[0] + row[1] * p[1] + row[2] * p[2]);

  const LETTERS = { R: [1, 0, 0], L: [-1, 0, 0], A: [0, 1, 0], P: [0, -1, 0], S: [0, 0, 1], I: [0, 0, -1] };
  const letters = Object.entries(LETTERS).map(([name, axis]) => {
    const e = document.createElement("span");
    e.className = `letter ${name}`; e.textContent = name; stage.append(e);
    return { e, axis };
  });
  const edges = { left: "left: .4rem; top: 50%", right: "right: .4rem; top: 50%", top: "top: .3rem; left: 50%; transform: translateX(-50%)",
    bottom: "bottom: .3rem; left: 50%; transform: translateX(-50%)" };
  const WORDS = { R: "patient's right", L: "patient's left", A: "front", P: "back", S: "up", I: "down" };
  const FROM = { R: "the patient's right", L: "the patient's left", A: "the front", P: "behind", S: "above", I: "below" };
  for (const side of Object.keys(edges)) {
    const e = document.createElement("span");
    e.className = "edge"; e.style.cssText = edges[side]; stage.append(e); edges[side] = e;
  }
  const heading = (d) => Object.entries(LETTERS).map(([n, a]) => [a[0] * d[0] + a[1] * d[1] + a[2] * d[2], n]).sort((x, y) => y[0] - x[0])[0][1];

  const draw = () => {
    const scale = Math.min(devicePixelRatio || 1, 2), w = canvas.clientWidth, h = canvas.clientHeight;
    if (canvas.width !== Math.round(w * scale)) { canvas.width = Math.round(w * scale); canvas.height = Math.round(h * scale); }
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0.063, 0.086, 0.106, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST);
    const size = zoom / (1.15 * data.radius), x = size * Math.min(1, h / w), y = size * Math.min(1, w / h), z = 1 / (4 * data.radius);
    const [r, u, t] = rotation;
    gl.uniformMatrix4fv(set("view"), false, [r[0] * x, u[0] * y, -t[0] * z, 0, r[1] * x, u[1] * y, -t[1] * z, 0, r[2] * x, u[2] * y, -t[2] * z, 0, 0, 0, 0, 1]);
    gl.uniformMatrix3fv(set("turn"), false, [r[0], u[0], t[0], r[1], u[1], t[1], r[2], u[2], t[2]]);
    const one = (p, opacity) => {
      gl.uniform4f(set("colour"), ...p.rgb, opacity);
      for (const name of ["place", "normal"]) {
        gl.bindBuffer(gl.ARRAY_BUFFER, p[name]); gl.enableVertexAttribArray(at(name)); gl.vertexAttribPointer(at(name), 3, gl.FLOAT, false, 0, 0);
      }
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, p.index);
      gl.drawElements(gl.TRIANGLES, p.count, wide ? gl.UNSIGNED_INT : gl.UNSIGNED_SHORT, 0);
    };
    gl.disable(gl.BLEND); gl.disable(gl.CULL_FACE); gl.depthMask(true);
    parts.filter((p) => p.shown && p.opacity >= 1).forEach((p) => one(p, 1));
    gl.enable(gl.BLEND); gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA); gl.depthMask(false); gl.enable(gl.CULL_FACE);
    const glassy = parts.filter((p) => p.shown && p.opacity < 1).sort((a, b) => seen(a.middle)[2] - seen(b.middle)[2]);
    for (const face of [gl.FRONT, gl.BACK]) { gl.cullFace(face); glassy.forEach((p) => one(p, p.opacity)); }
    gl.disable(gl.DEPTH_TEST); gl.cullFace(gl.BACK);  // contacts shine through what lies before them
    parts.filter((p) => p.shown && p.group === "contacts").forEach((p) => one(p, 0.45));
    gl.depthMask(true);
    for (const { e, axis } of letters) {
      const s = seen(axis.map((a) => 1.02 * a * data.radius));
      e.style.left = `${50 + 50 * s[0] * x}%`; e.style.top = `${50 - 50 * s[1] * y}%`;
      e.style.opacity = Math.abs(s[2]) > 0.93 * data.radius ? 0 : s[2] < 0 ? 0.55 : 1;
    }
    const [towards, minus] = [rotation, (d) => d.map((v) => -v)];
    edges.right.textContent = WORDS[heading(towards[0])]; edges.left.textContent = WORDS[heading(minus(towards[0]))];
    edges.top.textContent = WORDS[heading(towards[1])]; edges.bottom.textContent = WORDS[heading(minus(towards[1]))];
    root.querySelector(".from").textContent = `Seen from ${FROM[heading(towards[2])]}.`;
  };

  for (const [name, view] of Object.entries(VIEWS)) {
    const b = document.createElement("button");
    b.textContent = name; b.type = "button"; b.onclick = () => { rotation = view; zoom = 1; draw(); };
    root.querySelector(".views").append(b);
  }
  for (const p of parts) {
    const line = document.createElement("li"), label = document.createElement("label"), box = document.createElement("input"), swatch = document.createElement("i");
    box.type = "checkbox"; box.checked = true; box.onchange = () => { p.shown = box.checked; draw(); };
    swatch.style.background = p.colour;
    label.append(box, swatch, p.name); line.append(label); root.querySelector(".parts").append(line);
  }
  const glass = root.querySelector("input[type=range]");
  glass.oninput = () => { for (const p of parts) if (p.group === "structure") p.opacity = glass.value / 100; draw(); };
  let held = null;
  canvas.onpointerdown = (e) => { held = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); };
  canvas.onpointermove = (e) => {
    if (!held) return;
    about("up", (e.clientX - held[0]) * 0.008); about("across", (held[1] - e.clientY) * 0.008);
    held = [e.clientX, e.clientY]; draw();
  };
  canvas.onpointerup = canvas.onpointercancel = () => { held = null; };
  canvas.onwheel = (e) => { e.preventDefault(); zoom = Math.min(12, Math.max(0.4, zoom * Math.exp(-e.deltaY * 0.001))); draw(); };
  canvas.onkeydown = (e) => {
    const keys = { ArrowLeft: () => about("up", -0.12), ArrowRight: () => about("up", 0.12), ArrowUp: () => about("across", 0.12),
      ArrowDown: () => about("across", -0.12), "+": () => { zoom *= 1.15; }, "-": () => { zoom /= 1.15; } };
    if (keys[e.key]) { e.preventDefault(); keys[e.key](); draw(); }
  };
  new ResizeObserver(draw).observe(canvas);
  about("up", 0.35); about("across", -0.25); draw();
})();
